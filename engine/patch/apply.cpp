#include "engine/patch/identity_check.hpp"
#include "engine/patch/import_resolution.hpp"
#include "engine/patch/placement.hpp"
#include "engine/patch/plan.hpp"
#include "engine/patch/quiet.hpp"
#include "engine/patch/verification.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

/// What is to be done to one module.
struct Job {
    const package::Package* package = nullptr;
    target::Module module;
    std::unique_ptr<const Snapshot> snapshot; ///< what the checks were made against
    std::vector<target::Module> providers;    ///< modules that imports were resolved in
    std::optional<Ledger> before;             ///< as found
    Plan plan;
    bool placed = false; ///< pages were mapped or replaced: an undo has something to do
};

std::vector<FunctionName> names_of(const package::Manifest& manifest) {
    std::vector<FunctionName> names;
    for (const package::Replacement& function : manifest.functions)
        names.push_back({function.baseline, function.name});
    return names;
}

Error in_module(Error error, const Job& job) {
    if (error.place().image.empty())
        error.in_image(job.module.name);
    return error;
}

/// Refuses what the ledger rules out; true where the package's version is there already and only has to be committed.
Result<bool> check_sequence(const package::Package& package, const Ledger& ledger) {
    const package::Manifest& manifest = package.manifest();
    const auto refuse = [&](Code code, std::string detail) {
        return fail(Error(code, std::move(detail)).in_image(ledger.module));
    };
    if (ledger.phase != Phase::live)
        return refuse(Code::needs_recover, "its ledger is not in a final state");
    const LedgerVersion* const same = ledger.version(manifest.sequence);
    if (same && same->package != package.digest())
        return refuse(Code::sequence_taken, fmt::format("sequence {} is \"{}\", the package is \"{}\"",
                                                        manifest.sequence, same->id, manifest.id));
    if (manifest.sequence < ledger.active)
        return refuse(Code::sequence_lower,
                      fmt::format("sequence {} is in force, the package is {}", ledger.active, manifest.sequence));
    if (same && ledger.active == manifest.sequence)
        return refuse(Code::already_applied, fmt::format("sequence {}, \"{}\"", manifest.sequence, manifest.id));
    return same != nullptr;
}

Result<void> check_minimum(const package::Manifest& manifest, std::uint32_t active) {
    if (active < manifest.min_sequence)
        return fail(
            Error(Code::sequence_too_old, fmt::format("sequence {} is in force, the package asks for {} at least",
                                                      active, manifest.min_sequence))
                .in_image(manifest.module));
    return {};
}

Result<Placement> choose_placement(target::Target& target, const Job& job, std::vector<VaRange>& taken) {
    const isa::Isa& isa = *isa::isa_for(job.package->manifest().machine);
    SUTURE_TRY(const auto regions, target.regions());
    Placement placement;
    if (job.before) {
        placement.block = job.before->block;
    } else {
        SUTURE_TRY(placement.block, block_for(job.package->manifest()));
        SUTURE_TRY(placement.block.base,
                   find_gap(regions, taken, job.module, placement.block.whole().size, isa.reach()));
        taken.push_back(placement.block.whole());
    }
    const std::uint64_t size = pages_up(job.package->image().size_of_image());
    // Distances from the baseline to the package must not be negative where code takes them for RVAs.
    const bool has_rvas = std::ranges::any_of(job.package->manifest().fixups, [](const package::Fixup& fixup) {
        return fixup.kind == package::FixupKind::image_relative32;
    });
    SUTURE_TRY(placement.image,
               find_gap(regions, taken, job.module, size, isa.reach(), has_rvas ? Side::behind : Side::either));
    taken.push_back({placement.image, size});
    return placement;
}

/// All checks, and the plan. Changes nothing.
Result<Job> prepare_job(target::Target& target, const package::Package& package, std::span<const Ledger> ledgers,
                        std::vector<VaRange>& taken) {
    const package::Manifest& manifest = package.manifest();
    Job job;
    job.package = &package;
    if (manifest.machine != target.machine() || !isa::isa_for(manifest.machine))
        return fail(Error(Code::machine_differs, fmt::format("the package is for {}, the process runs {}",
                                                             name_of(manifest.machine), name_of(target.machine())))
                        .in_image(manifest.module));
    SUTURE_TRY(job.module, target::find_module(target, manifest.module));
    bool known = false;
    const auto ledger = std::ranges::find(ledgers, job.module.range, &Ledger::module_range);
    if (ledger != ledgers.end()) {
        job.before = *ledger;
        SUTURE_TRY(known, check_sequence(package, *ledger));
    }
    SUTURE_CHECK(check_minimum(manifest, job.before ? job.before->active : 0));
    SUTURE_TRY(job.snapshot, Snapshot::take(target, job.module));
    SUTURE_CHECK(check_identity(target, manifest, *job.snapshot, job.before ? &*job.before : nullptr));
    if (job.before)
        SUTURE_CHECK(verify_ledger(target, *job.before));
    if (known) {
        job.plan.prepared = *job.before;
        job.plan.committed = *job.before;
        SUTURE_TRY(job.plan.commit, commit_of(job.plan.committed, manifest.sequence));
        return job;
    }
    SUTURE_TRY(auto imports, resolve_imports(target, package));
    job.providers = std::move(imports.providers);
    SUTURE_TRY(const Placement placement, choose_placement(target, job, taken));
    SUTURE_TRY(job.plan,
               make_plan(package, *job.snapshot, job.before ? &*job.before : nullptr, placement, imports.slots));
    return job;
}

/// Puts everything in place without changing behaviour.
Result<void> place(target::Target& target, Job& job) {
    if (job.before)
        SUTURE_CHECK(check_in_force(target, *job.before));
    for (const target::Mapping& mapping : job.plan.replacements) {
        job.placed = true;
        SUTURE_CHECK(target.replace(mapping));
    }
    if (!job.plan.mappings.empty()) {
        SUTURE_CHECK(target.map(job.plan.mappings));
        job.placed = true;
    }
    return {};
}

/// Takes out what place() put in, as far as it got.
Result<void> take_out(target::Target& target, Job& job) {
    if (!job.placed)
        return {};
    if (job.before) {
        Ledger before = *job.before;
        SUTURE_TRY(Bytes stubs, stub_bytes(before));
        SUTURE_TRY(Bytes continuations, continuation_bytes(before));
        SUTURE_TRY(const target::Mapping cells, commit_of(before, before.active));
        SUTURE_CHECK(target.replace(cells));
        SUTURE_CHECK(target.replace({before.block.stubs(), std::move(stubs), target::Protection::read_execute}));
        SUTURE_CHECK(
            target.replace({before.block.continuations(), std::move(continuations), target::Protection::read_execute}));
    }
    std::vector<VaRange> ranges;
    for (const target::Mapping& mapping : job.plan.mappings)
        ranges.push_back(mapping.range);
    std::ranges::reverse(ranges); // the ledger goes last
    SUTURE_CHECK(target.unmap(ranges));
    job.placed = false;
    return {};
}

/// `first` is true where nothing of the process was patched before.
Error undone(target::Target& target, std::vector<Job>& jobs, bool first, Error error) {
    if (error.code() == Code::needs_recover)
        return error; // sites may lead to what was placed: it must stay
    for (Job& job : jobs)
        if (auto out = take_out(target, job); !out && out.error().code() != Code::target_gone)
            return Error(Code::needs_recover,
                         fmt::format("what had been prepared could not be taken out ({})", out.error().detail()))
                .in_image(job.module.name)
                .caused_by(std::move(error));
    if (first && error.code() != Code::target_gone)
        if (auto left = target.leave(); !left && left.error().code() != Code::target_gone)
            return Error(Code::needs_recover, left.error().detail()).caused_by(std::move(error));
    return error;
}

/// Sites and commits, while the target is stopped; on failure everything is put back.
class Switch {
  public:
    Switch(target::Target& target, target::Stop& stop) : target_(target), stop_(stop) {}

    Result<void> run(std::span<Job> jobs, Report& report) {
        SUTURE_TRY(const auto modules, target_.modules());
        for (const Job& job : jobs)
            if (auto same = still_as_planned(job, modules); !same)
                return same;
        const auto done = forward(jobs, report);
        if (done)
            return {};
        if (auto back = backward(); !back)
            return fail(Error(Code::needs_recover, back.error().detail()).caused_by(done.error()));
        return done;
    }

  private:
    /// What was checked before the stop must still hold: time has passed, in which modules can come and go.
    Result<void> still_as_planned(const Job& job, std::span<const target::Module> modules) {
        const auto loaded = [&](const target::Module& module) {
            return std::ranges::any_of(modules, [&](const target::Module& one) {
                return one.range == module.range && target::same_file_name(one.name, module.name);
            });
        };
        if (!loaded(job.module))
            return fail(in_module(Error(Code::module_not_loaded, "it was unloaded during the operation"), job));
        for (const target::Module& provider : job.providers)
            if (!loaded(provider))
                return fail(in_module(
                    Error(Code::import_unavailable, fmt::format("{} was unloaded during the operation", provider.name)),
                    job));
        SUTURE_CHECK(check_in_force(target_, job.plan.prepared));
        SUTURE_CHECK(same_as_snapshot(job, {Rva{0}, std::min(job.snapshot->image().size_of_headers(), kPage)}));
        for (const package::Replacement& function : job.package->manifest().functions)
            SUTURE_CHECK(same_as_snapshot(job, {function.baseline, function.baseline_size}));
        for (const SiteWrite& write : job.plan.sites) {
            SUTURE_TRY(const Bytes found, target::read_bytes(target_, write.at, write.before.size()));
            if (found != write.before)
                return fail(
                    in_module(Error(Code::identity_function_differs, "its entry changed during the operation"), job)
                        .at(Rva{static_cast<std::uint32_t>(write.at - job.module.range.begin)}));
        }
        return {};
    }

    Result<void> same_as_snapshot(const Job& job, RvaRange range) {
        const auto expected = job.snapshot->image().bytes_at(range.begin, range.size);
        SUTURE_TRY(const Bytes found,
                   target::read_bytes(target_, job.module.range.begin + range.begin.value, range.size));
        if (!expected || !(ByteView(found) == *expected))
            return fail(in_module(Error(Code::identity_function_differs, "it changed during the operation"), job)
                            .at(range.begin));
        return {};
    }

    Result<void> forward(std::span<Job> jobs, Report& report) {
        for (const Job& job : jobs)
            for (const SiteWrite& write : job.plan.sites) {
                written_.push_back(&write);
                SUTURE_CHECK(stop_.write_code(write.at, write.after));
            }
        const auto started = target_.now();
        for (Job& job : jobs) {
            committed_.push_back(&job);
            SUTURE_CHECK(target_.replace(job.plan.commit));
        }
        report.commit = target_.now() - started;
        for (const SiteWrite* write : written_) {
            SUTURE_TRY(const Bytes found, target::read_bytes(target_, write->at, write->after.size()));
            if (found != write->after)
                return fail(Code::verification_failed, "a site does not hold what was written");
        }
        for (const Job* job : committed_)
            SUTURE_CHECK(check_in_force(target_, job->plan.committed));
        return {};
    }

    /// Puts back as much as can be put back; the first failure is told.
    Result<void> backward() {
        Result<void> outcome;
        const auto keep = [&](Result<void> result) {
            if (outcome && !result)
                outcome = std::move(result);
        };
        for (auto job = committed_.rbegin(); job != committed_.rend(); ++job)
            keep(put_back(**job));
        for (auto write = written_.rbegin(); write != written_.rend(); ++write)
            keep(stop_.write_code((*write)->at, (*write)->before));
        return outcome;
    }

    Result<void> put_back(const Job& job) {
        if (check_in_force(target_, job.plan.prepared))
            return {}; // the commit did not take place
        Ledger ledger = job.plan.prepared;
        SUTURE_TRY(const target::Mapping cells, commit_of(ledger, ledger.active));
        return target_.replace(cells);
    }

    target::Target& target_;
    target::Stop& stop_;
    std::vector<const SiteWrite*> written_;
    std::vector<Job*> committed_;
};

/// `switched` tells whether the commit took place, even where letting the threads run on failed after it.
Result<void> commit_all(target::Target& target, std::vector<Job>& jobs, std::span<const Ledger> ledgers,
                        const Options& options, std::chrono::nanoseconds deadline, Report& report, bool& switched) {
    CodeMap map(target);
    for (const Ledger& ledger : ledgers)
        add_ledger_code(map, ledger);
    std::vector<Forbidden> forbidden;
    for (const Job& job : jobs) {
        const Ledger& before = job.before ? *job.before : job.plan.prepared;
        forbid_sites(forbidden, job.plan.prepared, job.before ? job.before->functions.size() : 0);
        if (options.consistency == Consistency::quiescent)
            forbid_bodies(forbidden, before, job.plan.committed, names_of(job.package->manifest()));
    }
    return when_quiet(target, map, forbidden, deadline, report, [&](target::Stop& stop) {
        auto done = Switch(target, stop).run(jobs, report);
        switched = done.has_value();
        return done;
    });
}

} // namespace

Result<Report> apply(target::Target& target, std::span<const package::Package> packages, const Options& options) {
    const auto started = target.now();
    Report report;
    SUTURE_TRY(const auto ledgers, find_ledgers(target));
    std::vector<Job> jobs;
    std::vector<VaRange> taken;
    for (const package::Package& package : packages) {
        SUTURE_TRY(Job job, prepare_job(target, package, ledgers, taken));
        if (std::ranges::any_of(jobs, [&](const Job& other) { return other.module.range == job.module.range; }))
            return fail(Error(Code::module_twice, package.manifest().id).in_image(job.module.name));
        jobs.push_back(std::move(job));
    }
    for (Job& job : jobs)
        if (auto placed = place(target, job); !placed)
            return fail(undone(target, jobs, ledgers.empty(), in_module(std::move(placed).error(), job)));
    report.prepare = target.now() - started;

    bool switched = false;
    if (auto done = commit_all(target, jobs, ledgers, options, started + options.timeout, report, switched); !done)
        return fail(switched ? std::move(done).error()
                             : undone(target, jobs, ledgers.empty(), std::move(done).error()));
    for (const Job& job : jobs) {
        SUTURE_CHECK(verify_ledger(target, job.plan.committed));
        report.modules.push_back({job.module.name, job.module.range.begin, job.package->manifest().functions.size(),
                                  job.package->manifest().sequence, "patched"});
    }
    return report;
}

} // namespace suture::patch
