#pragma once

#include <cstdint>

namespace suture::package {

/// IMAGE_HOT_PATCH_INFO, version 4 (winnt.h, SDK 10.0.26100). Offsets count from the start of this structure.
/// https://learn.microsoft.com/windows/win32/debug/pe-format#the-load-configuration-structure-image-only leads to it
/// through HotPatchTableOffset; docs/format.md says what Suture puts where public sources are silent.
struct HotPatchInfo {
    std::uint32_t version;
    std::uint32_t size; ///< bytes from the start of this structure to the end of the patch table
    std::uint32_t sequence_number;
    std::uint32_t base_image_list; ///< offset of an array of offsets, each of an IMAGE_HOT_PATCH_BASE
    std::uint32_t base_image_count;
    std::uint32_t buffer_offset;       ///< since version 2; 0
    std::uint32_t extra_patch_size;    ///< since version 3; 0
    std::uint32_t min_sequence_number; ///< since version 4
    std::uint32_t flags;               ///< since version 4; 0
};
static_assert(sizeof(HotPatchInfo) == 36);

inline constexpr std::uint32_t kHotPatchInfoVersion = 4;

} // namespace suture::package
