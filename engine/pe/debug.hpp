#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// What the debug directory says (Microsoft PE Format, "Debug Directory"; CodeView RSDS record).
struct DebugInfo {
    bool has_pdb = false;
    std::array<std::uint8_t, 16> guid{}; ///< as stored
    std::uint32_t age = 0;
    std::string pdb_path; ///< as the linker wrote it
    /// IMAGE_DLLCHARACTERISTICS_EX_* (debug type 20), e.g. HOTPATCH_COMPATIBLE 0x80; 0 where absent.
    std::uint32_t ex_dll_characteristics = 0;
};

/// Errors: pe_bad_directory.
Result<DebugInfo> debug_info_of(const Image& image);

} // namespace suture::pe
