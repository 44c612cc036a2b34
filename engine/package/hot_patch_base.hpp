#pragma once

#include "engine/core/machine.hpp"

#include <cstdint>

namespace suture::package {

/// IMAGE_HOT_PATCH_BASE (winnt.h, SDK 10.0.26100): what a package says of the baseline. Offsets count from the start
/// of IMAGE_HOT_PATCH_INFO.
struct HotPatchBase {
    std::uint32_t sequence_number;
    std::uint32_t flags; ///< IMAGE_HOT_PATCH_BASE_*
    std::uint32_t original_time_date_stamp;
    std::uint32_t original_check_sum;
    std::uint32_t code_integrity_info; ///< offset of an IMAGE_HOT_PATCH_HASHES
    std::uint32_t code_integrity_size; ///< its size in bytes
    std::uint32_t patch_table;         ///< offset of the first chunk
    std::uint32_t buffer_offset;       ///< 0
};
static_assert(sizeof(HotPatchBase) == 32);

/// IMAGE_HOT_PATCH_BASE_* (winnt.h). The machines stand in another order than in IMAGE_HOT_PATCH_MACHINE.
inline constexpr std::uint32_t kBaseObligatory = 0x01;
inline constexpr std::uint32_t kBaseCanRollBack = 0x02;
inline constexpr std::uint32_t kBaseMachineI386 = 0x04;
inline constexpr std::uint32_t kBaseMachineArm64 = 0x08;
inline constexpr std::uint32_t kBaseMachineAmd64 = 0x10;

/// The flags of the base image of a package for `machine`.
constexpr std::uint32_t base_flags(Machine machine) {
    return kBaseCanRollBack | (machine == Machine::x64 ? kBaseMachineAmd64 : kBaseMachineArm64);
}

} // namespace suture::package
