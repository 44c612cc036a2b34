#pragma once

#include <array>
#include <cstdint>

namespace suture::package {

/// IMAGE_HOT_PATCH_HASHES (winnt.h, SDK 10.0.26100): hashes of the baseline file.
struct HotPatchHashes {
    std::array<std::uint8_t, 32> sha256;
    std::array<std::uint8_t, 20> sha1;
};
static_assert(sizeof(HotPatchHashes) == 52);

} // namespace suture::package
