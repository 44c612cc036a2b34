#pragma once

#include "engine/patch/ledger.hpp"

#include <vector>

namespace suture::patch {

/// Frees the pages of one version of a ledger, as far as they are there and are what was mapped: an operation may have
/// been cut off before it mapped them, or after it freed them, and what lies there then is somebody else's. `left` gets
/// what is there and stays. No code may lead there any more. Before anything is freed the process's unwinder forgets
/// the version's table; not `known`: it never knew it. Errors: those of the target.
Result<void> release_version(target::Target& target, const LedgerVersion& version, std::vector<VaRange>& left,
                             bool known = true);

/// The same for all versions, and then for the block, the ledger last.
Result<void> release_all(target::Target& target, const Ledger& ledger, std::vector<VaRange>& left, bool known = true);

} // namespace suture::patch
