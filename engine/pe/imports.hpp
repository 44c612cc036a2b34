#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// One slot of an import address table (Microsoft PE Format, ".idata Section", "Delay-Load Import Tables").
struct ImportSlot {
    std::string dll;           ///< as written in the image, e.g. "KERNEL32.dll"
    std::string name;          ///< empty where imported by ordinal
    std::uint16_t ordinal = 0; ///< of meaning only where name is empty
    Rva slot;                  ///< 8-byte field that holds the address at run time
    bool delayed = false;

    auto operator<=>(const ImportSlot&) const = default;
};

/// All import slots, delay-loaded ones included, by slot RVA; needs the file layout or an image whose lookup table is
/// separate from its address table. Errors: pe_bad_directory.
Result<std::vector<ImportSlot>> imports_of(const Image& image);

} // namespace suture::pe
