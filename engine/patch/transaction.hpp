#pragma once

#include "engine/package/reader.hpp"
#include "engine/patch/state.hpp"
#include "engine/target/target.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace suture::patch {

/// Whether threads may be inside a function while its behaviour changes.
enum class Consistency : std::uint8_t {
    quiescent, ///< no: the commit waits until none executes it or will return into it
    none,      ///< yes: calls that are under way finish in the code they began in; where values of globals go along to
               ///< the next version, not so for calls of the version that goes
};

struct Options {
    /// How long to go on trying to find the target quiescent.
    std::chrono::nanoseconds timeout = std::chrono::seconds(10);
    Consistency consistency = Consistency::quiescent;
    /// Told before anything is done: what becomes of the globals that the version in force brought along.
    std::function<void(std::span<const StateNote>)> before_commit;
};

/// One module after an operation.
struct ModuleReport {
    std::string module;
    Va base;
    std::size_t functions = 0;  ///< redirected by the version in force
    std::uint32_t sequence = 0; ///< of the version in force, 0 for the baseline
    std::string state;          ///< "patched", "baseline", "removed"
    std::uint32_t previous = 0; ///< sequence that was in force before
};

/// What an operation did and how long it took.
struct Report {
    std::vector<ModuleReport> modules;
    std::vector<StateNote> state;       ///< of all modules
    std::chrono::nanoseconds prepare{}; ///< from the start to the first stop
    std::chrono::nanoseconds pause{};   ///< of the last stop: from the request to the first thread until all run again
    std::chrono::nanoseconds commit{};  ///< the mapping operations that switch versions
    unsigned attempts = 0;              ///< stops, the last one included
    std::vector<VaRange> left;          ///< pages to be freed that did not hold what was mapped, and stay
    std::uint64_t freed = 0;            ///< bytes of pages that an operation left which was cut off
};

/// Applies packages to the modules they are for: all of them or none. Until the commit every call runs what it ran
/// before. A package that was applied and rolled back before is committed again. On failure the target is as it was
/// found; where that cannot be achieved, the error is needs_recover, caused by what went wrong.
///
/// Globals that the version in force brought and the next one has too keep their values.
///
/// Errors: global_resized, machine_differs, module_not_loaded, identity_*, foreign_detour, already_applied, sequence_*,
/// import_unavailable, no_room_near_module, block_full, not_quiescent, needs_recover, ledger_damaged,
/// verification_failed and those of the target.
Result<Report> apply(target::Target& target, std::span<const package::Package> packages, const Options& options);

/// Puts an earlier version in force: `to`, or the one before the version in force. Errors: not_patched,
/// sequence_unknown, already_baseline, not_quiescent, needs_recover and those of the target.
Result<Report> rollback(target::Target& target, std::string_view module, std::optional<std::uint32_t> to,
                        const Options& options);

/// Restores every site of a module, proves that the module equals its baseline, and frees all that was mapped for it.
/// Errors: not_patched, not_quiescent (a thread is still inside code that is to be freed; nothing has changed then),
/// verification_failed and those of the target.
Result<Report> remove(target::Target& target, std::string_view module, const Options& options);

/// Finishes or undoes what an operation began that was cut off, at whatever instant, from the ledgers alone: an apply
/// is undone, but finished where one of its modules is committed already; a removal is finished. Then frees what
/// belongs to no ledger. A module that cannot be brought into a final state does not hold up the others.
///
/// Errors: nothing_to_recover, not_quiescent, verification_failed (a site, or a page that is needed, holds neither what
/// was before nor what was to be; nothing of that update has changed then), needs_recover (it was cut off itself),
/// ledger_damaged and those of the target.
Result<Report> recover(target::Target& target, const Options& options);

} // namespace suture::patch
