#pragma once

#include "engine/patch/recovery.hpp"
#include "engine/patch/verification.hpp"

namespace suture::patch {

/// A version as `status` shows it.
struct VersionStatus {
    std::uint32_t sequence = 0;
    std::string id;
    std::size_t functions = 0; ///< that it redirects
};

/// A patched module as it lies in the target.
struct ModuleStatus {
    std::string module;
    Va base;
    pe::HeaderIdentity baseline;
    std::vector<pe::SectionIdentity> sections; ///< of the baseline
    std::uint32_t active = 0;                  ///< sequence in force, 0 for the baseline
    std::vector<VersionStatus> versions;       ///< ascending by sequence
    Phase phase = Phase::live;                 ///< anything but `live`: an operation was cut off
    std::string recovery;                      ///< what recover() would do; empty: nothing
    std::vector<Finding> findings;             ///< differences from what was written; empty: intact

    bool needs_recover() const { return !recovery.empty(); }
};

/// Every module of the target that a ledger tells of, ascending by base, each verified to the byte. Changes nothing.
/// Errors: ledger_damaged, those of the target.
Result<std::vector<ModuleStatus>> status(target::Target& target);

/// What an operation that was cut off left in the target, and no ledger tells of. Errors: as status().
Result<Leftovers> leftovers(target::Target& target);

} // namespace suture::patch
