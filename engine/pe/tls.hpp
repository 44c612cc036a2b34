#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// What the TLS directory says (Microsoft PE Format, ".tls Section"). Pointers are given as RVAs.
struct TlsInfo {
    bool present = false;
    RvaRange data;                     ///< initial content of a thread's block
    std::uint32_t zero_fill = 0;       ///< bytes of zeros behind it
    std::uint32_t characteristics = 0; ///< IMAGE_SCN_ALIGN_* of the block
    std::optional<Rva> index;          ///< where the loader puts the index of the block
    std::vector<Rva> callbacks;        ///< in order of their calls
};

/// Pointers are relative to image.image_base(). Errors: pe_bad_directory.
Result<TlsInfo> tls_of(const Image& image);

} // namespace suture::pe
