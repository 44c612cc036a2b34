#include "engine/patch/plan.hpp"
#include "engine/patch/quiet.hpp"
#include "engine/patch/release.hpp"
#include "engine/patch/site_pages.hpp"
#include "engine/patch/sites.hpp"
#include "engine/patch/verification.hpp"

#include <algorithm>

namespace suture::patch {

namespace {

Result<void> restore_sites(target::Target& target, target::Stop& stop, const Ledger& before,
                           std::span<const SiteWrite> writes, target::Staged& removing) {
    SUTURE_CHECK(check_in_force(target, before));
    for (const SiteWrite& write : writes) {
        SUTURE_TRY(const Bytes found, target::read_bytes(target, write.at, write.before.size()));
        if (found != write.before)
            return fail(
                Error(Code::verification_failed, "a site changed during the operation").in_image(before.module));
    }
    const auto restore = [&]() -> Result<void> {
        SUTURE_CHECK(target.replace(removing));
        return write_stopped(target, stop, writes);
    };
    const auto done = restore();
    if (done)
        return {};
    const auto take_back = [&]() -> Result<void> {
        SUTURE_TRY(const auto back, writes_to_undo(target, writes));
        SUTURE_CHECK(write_stopped(target, stop, back));
        if (check_in_force(target, before))
            return {}; // it had not even begun
        Ledger ledger = before;
        SUTURE_TRY(const target::Mapping live, commit_of(ledger, before.active));
        return target.replace(live);
    };
    if (auto back = take_back(); !back)
        return fail(Error(Code::needs_recover, back.error().detail()).caused_by(done.error()));
    return done;
}

} // namespace

Result<Report> remove(target::Target& target, std::string_view module, const Options& options) {
    const auto started = target.now();
    Report report;
    SUTURE_TRY(const Ledger before, ledger_of(target, module));
    SUTURE_TRY(const auto all, find_ledgers(target));
    const bool is_last = all.size() == 1;
    SUTURE_CHECK(verify_ledger(target, before));
    SUTURE_TRY(const auto writes, restoring_writes(before, 0));
    Ledger after = before;
    after.phase = Phase::removing;
    // The baseline is put in force first: sites that are restored one after the other then change nothing.
    SUTURE_TRY(const target::Mapping removing, commit_of(after, 0));
    SUTURE_TRY(const auto staged, target.stage({&removing, 1}));

    CodeMap map(target);
    add_ledger_code(map, before);
    std::vector<Forbidden> forbidden;
    forbid_mapped(forbidden, before);
    report.prepare = target.now() - started;
    const auto cut_off = [&](const Error& cause, std::string what) {
        return fail(Error(Code::needs_recover, std::move(what)).in_image(before.module).caused_by(cause));
    };
    bool restored = false;
    auto stopped = when_quiet(target, map, forbidden, started + options.timeout, report, [&](target::Stop& stop) {
        auto done = restore_sites(target, stop, before, writes, *staged);
        restored = done.has_value();
        return done;
    });
    if (!stopped)
        return restored && stopped.error().code() != Code::target_gone
                   ? cut_off(stopped.error(), "its sites are restored, but nothing is freed")
                   : std::unexpected(std::move(stopped).error());
    if (auto same = verify_baseline(target, before); !same)
        return cut_off(same.error(), "its sites are restored, but it does not equal its baseline; nothing is freed");

    if (auto freed = release_all(target, after, report.left); !freed)
        return cut_off(freed.error(), "its sites are restored, but the pages of the hotpatch are not freed");
    if (auto left = is_last ? target.leave() : Result<void>(); !left)
        return cut_off(left.error(), "it is as before, but pages that did the work are still in the process");
    report.modules.push_back({before.module, before.module_range.begin, 0, 0, "removed", before.active});
    return report;
}

} // namespace suture::patch
