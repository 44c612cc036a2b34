#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// One field that the loader adjusts when the image is not at its preferred base
/// (Microsoft PE Format, ".reloc Section"; IMAGE_REL_BASED_DIR64 = 10, HIGHLOW = 3).
struct Relocation {
    Rva at;
    std::uint8_t size = 8; ///< bytes of the field: 8 for DIR64, 4 for HIGHLOW

    auto operator<=>(const Relocation&) const = default;
};

/// All base relocations in ascending order; empty where the image has none. Errors: pe_bad_directory (blocks outside
/// the directory, unknown types, fields outside the image or overlapping).
Result<std::vector<Relocation>> relocations_of(const Image& image);

} // namespace suture::pe
