#pragma once

#include "engine/patch/ledger.hpp"
#include "engine/patch/snapshot.hpp"

#include <string>
#include <vector>

namespace suture::patch {

/// Something in a target that is not as its ledger says.
struct Finding {
    std::string what; ///< one sentence part: "the entry of a.dll+0x1230 holds 48 89, not eb f9"
    Va at;
};

/// Compares stubs, cells, continuations, replacement code and sites with what the ledger says they hold, and the rest
/// of the module's code with its baseline. Errors: those of the target.
Result<std::vector<Finding>> find_differences(target::Target& target, const Ledger& ledger);

/// No difference at all, else verification_failed with the first one.
Result<void> verify_ledger(target::Target& target, const Ledger& ledger);

/// The same of what was just put in force: whatever keeps it from being looked at is verification_failed, caused by
/// that, since there is no doubt that it is in force. Error also: target_gone.
Result<void> verify_in_force(target::Target& target, const Ledger& ledger);

/// The cells and the ledger in the target are to the byte those of `ledger`. Error: verification_failed.
Result<void> check_in_force(target::Target& target, const Ledger& ledger);

/// The module equals its baseline: header identity and every executable section. Error: verification_failed.
Result<void> verify_baseline(target::Target& target, const Ledger& ledger);

} // namespace suture::patch
