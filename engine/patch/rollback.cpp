#include "engine/patch/plan.hpp"
#include "engine/patch/quiet.hpp"
#include "engine/patch/verification.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

/// The version that was in force before: the highest sequence below the active one, else the baseline.
std::uint32_t previous_of(const Ledger& ledger) {
    std::uint32_t previous = 0;
    for (const LedgerVersion& version : ledger.versions)
        if (version.sequence < ledger.active)
            previous = version.sequence;
    return previous;
}

} // namespace

Result<Report> rollback(target::Target& target, std::string_view module, std::optional<std::uint32_t> to,
                        const Options& options) {
    const auto started = target.now();
    Report report;
    SUTURE_TRY(const Ledger before, ledger_of(target, module));
    const std::uint32_t sequence = to.value_or(previous_of(before));
    const auto refuse = [&](Code code, std::string detail) {
        return fail(Error(code, std::move(detail)).in_image(before.module));
    };
    if (sequence != 0 && !before.version(sequence))
        return refuse(Code::sequence_unknown, fmt::format("sequence {}", sequence));
    if (sequence == before.active)
        return sequence == 0 ? refuse(Code::already_baseline, "nothing of it is patched")
                             : refuse(Code::already_applied, fmt::format("sequence {}", sequence));
    SUTURE_CHECK(verify_ledger(target, before));

    Ledger after = before;
    after.update = {false, static_cast<std::uint32_t>(before.functions.size()), {}};
    SUTURE_TRY(const target::Mapping commit, commit_of(after, sequence));
    SUTURE_TRY(const auto staged, target.stage({&commit, 1}));
    report.prepare = target.now() - started;
    const StateTransfer state = transfer_between(after, before.active, sequence);
    report.state = state.notes;
    if (options.before_commit)
        options.before_commit(report.state);
    const auto switch_versions = [&]() -> Result<void> {
        SUTURE_CHECK(check_in_force(target, before));
        const auto committing = target.now();
        auto done = target.replace(*staged);
        report.commit = target.now() - committing;
        if (done || check_in_force(target, before))
            return done;
        if (check_in_force(target, after))
            return {};
        return fail(Error(Code::verification_failed, "neither the version before nor the other one is in force")
                        .in_image(before.module)
                        .caused_by(done.error()));
    };
    const bool quiescent = options.consistency == Consistency::quiescent;
    if (quiescent || !state.copies.empty()) {
        CodeMap map(target);
        add_ledger_code(map, before);
        std::vector<Forbidden> forbidden;
        if (quiescent)
            forbid_bodies(forbidden, before, after, {});
        if (!state.copies.empty())
            forbid_version(forbidden, before, before.active);
        const auto in_stop = [&](target::Stop& stop) -> Result<void> {
            SUTURE_CHECK(check_in_force(target, before));
            SUTURE_CHECK(carry_over(target, stop, state));
            return switch_versions();
        };
        SUTURE_CHECK(when_quiet(target, map, forbidden, started + options.timeout, report, in_stop));
    } else {
        SUTURE_CHECK(switch_versions());
    }
    SUTURE_CHECK(verify_in_force(target, after));
    report.modules.push_back({after.module, after.module_range.begin, after.redirected(), sequence,
                              sequence == 0 ? "baseline" : "patched", before.active});
    return report;
}

} // namespace suture::patch
