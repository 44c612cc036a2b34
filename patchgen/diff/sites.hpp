#pragma once

#include "engine/isa/isa.hpp"
#include "patchgen/program/program.hpp"

#include <map>

namespace suture::diff {

/// Chooses a redirect site for each of `functions`, which ascend: first those that have a pad of their own before the
/// entry, then the others with what pads are left, each byte for one function only. Pads have six bytes where that
/// leaves nobody without a site. Errors per function: site_none.
std::map<Rva, Result<isa::Site>> choose_sites(const program::Program& baseline,
                                              std::span<const program::Function* const> functions, const isa::Isa& isa);

} // namespace suture::diff
