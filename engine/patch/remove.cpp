#include "engine/patch/plan.hpp"
#include "engine/patch/quiet.hpp"
#include "engine/patch/verification.hpp"

#include <algorithm>

namespace suture::patch {

namespace {

/// The writes that put every site back, in the order that keeps the function callable throughout: entry before pad.
Result<std::vector<SiteWrite>> restoring_writes(const Ledger& ledger) {
    std::vector<SiteWrite> all;
    for (std::size_t i = 0; i < ledger.functions.size(); ++i) {
        SUTURE_TRY(auto writes, site_writes(ledger, i));
        for (auto write = writes.rbegin(); write != writes.rend(); ++write)
            all.push_back({write->at, std::move(write->after), std::move(write->before), i});
    }
    return all;
}

Result<void> restore_sites(target::Target& target, target::Stop& stop, const Ledger& before,
                           std::span<const SiteWrite> writes, const target::Mapping& removing) {
    SUTURE_CHECK(check_in_force(target, before));
    for (const SiteWrite& write : writes) {
        SUTURE_TRY(const Bytes found, target::read_bytes(target, write.at, write.before.size()));
        if (found != write.before)
            return fail(
                Error(Code::verification_failed, "a site changed during the operation").in_image(before.module));
    }
    SUTURE_CHECK(target.replace(removing));
    for (std::size_t i = 0; i < writes.size(); ++i) {
        auto done = stop.write_code(writes[i].at, writes[i].after);
        if (done)
            continue;
        for (std::size_t j = i + 1; j-- > 0;)
            if (auto back = stop.write_code(writes[j].at, writes[j].before); !back)
                return fail(Error(Code::needs_recover, back.error().detail()).caused_by(done.error()));
        Ledger ledger = before;
        SUTURE_TRY(const target::Mapping live, commit_of(ledger, before.active));
        if (auto back = target.replace(live); !back)
            return fail(Error(Code::needs_recover, back.error().detail()).caused_by(done.error()));
        return done;
    }
    return {};
}

} // namespace

Result<Report> remove(target::Target& target, std::string_view module, const Options& options) {
    const auto started = target.now();
    Report report;
    SUTURE_TRY(const Ledger before, ledger_of(target, module));
    SUTURE_CHECK(verify_ledger(target, before));
    SUTURE_TRY(const auto writes, restoring_writes(before));
    Ledger after = before;
    after.phase = Phase::removing;
    SUTURE_TRY(const target::Mapping removing, commit_of(after, before.active));

    CodeMap map(target);
    add_ledger_code(map, before);
    std::vector<Forbidden> forbidden;
    forbid_mapped(forbidden, before);
    report.prepare = target.now() - started;
    SUTURE_CHECK(when_quiet(target, map, forbidden, started + options.timeout, report,
                            [&](target::Stop& stop) { return restore_sites(target, stop, before, writes, removing); }));
    const auto cut_off = [&](const Error& cause, std::string what) {
        return fail(Error(Code::needs_recover, std::move(what)).in_image(before.module).caused_by(cause));
    };
    if (auto same = verify_baseline(target, before); !same)
        return cut_off(same.error(), "its sites are restored, but it does not equal its baseline; nothing is freed");

    std::vector<VaRange> ranges;
    for (const LedgerVersion& version : before.versions)
        for (const LedgerPages& pages : version.pages)
            ranges.push_back(pages.range);
    ranges.push_back(before.block.whole()); // the ledger goes last
    if (auto freed = target.unmap(ranges); !freed)
        return cut_off(freed.error(), "its sites are restored, but the pages of the hotpatch are not freed");
    SUTURE_TRY(const auto others, find_ledgers(target));
    if (others.empty())
        SUTURE_CHECK(target.leave());
    report.modules.push_back({before.module, before.module_range.begin, 0, 0, "removed", before.active});
    return report;
}

} // namespace suture::patch
