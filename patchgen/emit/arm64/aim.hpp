#pragma once

#include "patchgen/emit/fields.hpp"

namespace suture::emit::arm64 {

/// Address bits of an instruction word set so that it leads to `to` from `at` in the package. An address of the
/// baseline leaves them zero and adds a fixup, which only adrp, b and bl can have. Nothing if it does not reach.
std::optional<std::uint32_t> aim(std::uint32_t word, Rva at, Address to, std::vector<package::Fixup>& fixups);

} // namespace suture::emit::arm64
