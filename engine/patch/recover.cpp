#include "engine/patch/plan.hpp"
#include "engine/patch/quiet.hpp"
#include "engine/patch/recovery.hpp"
#include "engine/patch/release.hpp"
#include "engine/patch/site_pages.hpp"
#include "engine/patch/sites.hpp"
#include "engine/patch/state.hpp"
#include "engine/patch/transaction.hpp"
#include "engine/patch/verification.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

/// One module to be brought into a final state.
struct Task {
    Ledger before;
    Recovery way = Recovery::none;
    bool loaded = false; ///< with its sites; else all that led to its pages is gone
    Ledger after;        ///< what will be in force; of no meaning for take_out
    StateTransfer state; ///< of globals, where a version is put in force

    std::size_t first_function() const { return way == Recovery::take_out ? 0 : before.update.functions; }
    Result<std::vector<SiteWrite>> writes() const {
        if (!loaded)
            return std::vector<SiteWrite>{};
        return way == Recovery::finish ? redirecting_writes(before, first_function())
                                       : restoring_writes(before, first_function());
    }
};

Task task_of(const Ledger& ledger, std::span<const Ledger> all, std::span<const target::Module> modules) {
    Task task{ledger, recovery_of(ledger, all), is_loaded(ledger, modules), ledger, {}};
    if (task.way != Recovery::none && !task.loaded)
        task.way = Recovery::take_out;
    if (task.way == Recovery::undo)
        task.after = without_update(ledger);
    if (task.way == Recovery::finish) {
        task.after.phase = Phase::live;
        task.after.active = ledger.part()->sequence;
        task.state = transfer_between(task.after, ledger.active, task.after.active);
    }
    return task;
}

/// Code that the recovery changes or frees, and in which no thread may be.
Result<void> forbid(std::vector<Forbidden>& forbidden, const Task& task) {
    const Ledger& ledger = task.before;
    SUTURE_TRY(const auto writes, task.writes());
    forbid_sites(forbidden, ledger, writes);
    if (task.way == Recovery::take_out) {
        forbid_mapped(forbidden, ledger);
        return {};
    }
    if (task.way == Recovery::finish) {
        forbid_bodies(forbidden, ledger, task.after, {});
        if (!task.state.copies.empty())
            forbid_version(forbidden, ledger, ledger.active);
        return {};
    }
    const auto first = static_cast<std::uint32_t>(task.first_function() + 1);
    const auto count = static_cast<std::uint32_t>(ledger.functions.size() + 1) - first;
    const std::string name = fmt::format("the stubs of {}", ledger.module);
    forbidden.push_back({{ledger.block.stub(first), std::uint64_t{count} * isa::Isa::kStubSize}, name});
    forbidden.push_back({{ledger.block.continuation(first), std::uint64_t{count} * isa::Isa::kContinuationSize}, name});
    return {};
}

/// What a module that is to be finished has of its new version must be what was prepared.
Result<void> check_prepared(target::Target& target, const Task& task) {
    SUTURE_TRY(const auto writes, task.writes());
    SUTURE_TRY(auto findings, find_differences(target, task.before));
    std::vector<Va> sites;
    std::ranges::transform(writes, std::back_inserter(sites), &SiteWrite::at);
    std::ranges::sort(sites);
    // Sites may be there or not; each is looked at for itself.
    std::erase_if(findings, [&](const Finding& finding) { return std::ranges::binary_search(sites, finding.at); });
    if (findings.empty())
        return {};
    return fail(Error(Code::verification_failed, findings.front().what).in_image(task.before.module));
}

/// Sites, and what is put in force with them, while the threads stand still. Nothing is changed before all sites of all
/// modules were found to be in one of their two states.
class Switch {
  public:
    Switch(target::Target& target, target::Stop& stop) : target_(target), stop_(stop) {}

    Result<void> run(std::span<const Task> tasks) {
        std::vector<std::vector<SiteWrite>> writes;
        for (const Task& task : tasks) {
            SUTURE_CHECK(check_in_force(target_, task.before));
            SUTURE_TRY(const auto all, task.writes());
            SUTURE_TRY(auto left, outstanding(target_, task.before, all));
            writes.push_back(std::move(left));
        }
        begun_ = true;
        for (const auto& some : writes)
            SUTURE_CHECK(write_stopped(target_, stop_, some));
        for (const Task& task : tasks)
            if (task.way == Recovery::finish) {
                SUTURE_CHECK(carry_over(target_, stop_, task.state));
                Ledger after = task.after;
                SUTURE_TRY(const target::Mapping commit, commit_of(after, after.active));
                SUTURE_CHECK(target_.replace(commit));
            }
        return {};
    }
    bool begun() const { return begun_; }

  private:
    target::Target& target_;
    target::Stop& stop_;
    bool begun_ = false;
};

/// Takes an update's pages out of a module that keeps what it had before. Its ledger says `preparing` to the end.
Result<void> clear_update(target::Target& target, const Task& task, std::vector<VaRange>& left) {
    const Ledger& before = task.before;
    if (before.update.fresh) {
        SUTURE_CHECK(release_version(target, *before.version(before.part()->sequence), left));
        SUTURE_TRY(Bytes stubs, stub_bytes(task.after));
        SUTURE_TRY(Bytes continuations, continuation_bytes(task.after));
        SUTURE_CHECK(target.replace({before.block.stubs(), std::move(stubs), target::Protection::read_execute}));
        SUTURE_CHECK(
            target.replace({before.block.continuations(), std::move(continuations), target::Protection::read_execute}));
    }
    Ledger after = task.after;
    SUTURE_TRY(const target::Mapping cells, commit_of(after, after.active));
    return target.replace(cells);
}

/// What follows once the threads run again.
Result<void> conclude(target::Target& target, const Task& task, Report& report) {
    if (task.way == Recovery::undo)
        SUTURE_CHECK(clear_update(target, task, report.left));
    if (task.way != Recovery::take_out) {
        SUTURE_CHECK(verify_ledger(target, task.after));
        report.state.insert(report.state.end(), task.state.notes.begin(), task.state.notes.end());
        report.modules.push_back({task.after.module, task.after.module_range.begin, task.after.redirected(),
                                  task.after.active, task.after.active == 0 ? "baseline" : "patched",
                                  task.before.active});
        return {};
    }
    if (task.loaded)
        SUTURE_CHECK(verify_baseline(target, task.before));
    SUTURE_CHECK(release_all(target, task.before, report.left));
    report.modules.push_back({task.before.module, task.before.module_range.begin, 0, 0, "removed", task.before.active});
    return {};
}

/// The modules whose ledgers tell of one and the same operation.
Result<void> recover_together(target::Target& target, CodeMap& map, std::span<const Task> tasks,
                              std::chrono::nanoseconds deadline, Report& report) {
    std::vector<Forbidden> forbidden;
    for (const Task& task : tasks) {
        if (task.way == Recovery::finish)
            SUTURE_CHECK(check_prepared(target, task));
        SUTURE_CHECK(forbid(forbidden, task));
    }
    bool begun = false;
    const auto cut_off = [&](Error cause) {
        const Code code = cause.code();
        if (code == Code::target_gone || code == Code::target_inaccessible || code == Code::verification_failed)
            return cause;
        return Error(Code::needs_recover, "the recovery itself was cut off")
            .in_image(tasks.front().before.module)
            .caused_by(std::move(cause));
    };
    auto switched = when_quiet(target, map, forbidden, deadline, report, [&](target::Stop& stop) {
        Switch all(target, stop);
        auto done = all.run(tasks);
        begun = all.begun();
        return done;
    });
    if (!switched)
        return fail(begun ? cut_off(std::move(switched).error()) : std::move(switched).error());
    for (const Task& task : tasks)
        if (auto done = conclude(target, task, report); !done)
            return fail(cut_off(std::move(done).error()));
    return {};
}

/// Pages that no ledger tells of. Nothing ever led there: a ledger comes first, and goes last.
Result<void> free_leftovers(target::Target& target, CodeMap& map, std::chrono::nanoseconds deadline, Report& report) {
    SUTURE_TRY(const auto ledgers, find_ledgers(target));
    SUTURE_TRY(const Leftovers leftovers, find_leftovers(target, ledgers));
    if (!leftovers.pages.empty()) {
        std::vector<Forbidden> forbidden;
        for (const VaRange& range : leftovers.pages)
            forbidden.push_back({range, "pages that no ledger tells of"});
        SUTURE_CHECK(when_quiet(target, map, forbidden, deadline, report,
                                [&](target::Stop&) { return target.unmap(leftovers.pages); }));
    }
    if (ledgers.empty())
        return target.leave();
    return leftovers.aside.empty() ? Result<void>() : target.tidy();
}

} // namespace

Result<Report> recover(target::Target& target, const Options& options) {
    const auto started = target.now();
    const auto deadline = started + options.timeout;
    Report report;
    SUTURE_TRY(const auto ledgers, find_ledgers(target));
    SUTURE_TRY(const auto modules, target.modules());
    SUTURE_TRY(const Leftovers leftovers, find_leftovers(target, ledgers));
    std::vector<Task> tasks;
    for (const Ledger& ledger : ledgers) {
        SUTURE_TRY(const bool stale, is_stale(target, ledger, modules));
        if (stale)
            tasks.push_back({ledger, Recovery::take_out, false, ledger, {}});
        else if (ledger.phase != Phase::live)
            tasks.push_back(task_of(ledger, ledgers, modules));
    }
    if (tasks.empty() && leftovers.empty())
        return fail(Code::nothing_to_recover, fmt::format("process {}", target.pid()));

    CodeMap map(target);
    for (const Ledger& ledger : ledgers)
        add_ledger_code(map, ledger);
    const auto same_update = [](const Task& a, const Task& b) {
        return a.before.phase == Phase::preparing && b.before.phase == Phase::preparing &&
               a.before.update.parts == b.before.update.parts;
    };
    report.prepare = target.now() - started;
    Result<void> outcome; // what went wrong first; one module that is busy does not hold up the others
    const auto keep = [&](Result<void> result) {
        if (outcome && !result)
            outcome = std::move(result);
    };
    while (!tasks.empty()) {
        const auto rest = std::stable_partition(tasks.begin() + 1, tasks.end(),
                                                [&](const Task& one) { return same_update(tasks.front(), one); });
        keep(recover_together(target, map, {tasks.begin(), rest}, deadline, report));
        tasks.erase(tasks.begin(), rest);
    }
    keep(free_leftovers(target, map, deadline, report));
    report.freed = leftovers.bytes();
    if (!outcome)
        return std::unexpected(std::move(outcome).error());
    return report;
}

} // namespace suture::patch
