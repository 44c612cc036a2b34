#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// One exported entry (Microsoft PE Format, ".edata Section").
struct Export {
    std::string name;          ///< empty where exported by ordinal only
    std::uint32_t ordinal = 0; ///< ordinal base added
    Rva rva;                   ///< where it lies; of no meaning for a forwarder
    std::string forwarder;     ///< "DLL.Name" or "DLL.#ordinal", or empty

    auto operator<=>(const Export&) const = default;
};

/// All exports, by ordinal and then name; empty where there is no export table. An entry with several names appears
/// once per name. Errors: pe_bad_directory.
Result<std::vector<Export>> exports_of(const Image& image);

} // namespace suture::pe
