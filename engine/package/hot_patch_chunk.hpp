#pragma once

#include <cstdint>

/// The word that opens a chunk of the patch table: IMAGE_HOT_PATCH_CHUNK_* and the operation codes of winnt.h (SDK
/// 10.0.26100). The masks cover all 32 bits and do not overlap, but that TYPE includes SOURCE_RVA and TARGET_RVA.
/// What follows the word is not public; docs/format.md specifies Suture's records.
namespace suture::package {

inline constexpr std::uint32_t kChunkInverse = 0x80000000;
inline constexpr std::uint32_t kChunkObligatory = 0x40000000;
inline constexpr std::uint32_t kChunkReserved = 0x3ff03000;
inline constexpr std::uint32_t kChunkType = 0x000fc000;
inline constexpr std::uint32_t kChunkSourceRva = 0x00008000;
inline constexpr std::uint32_t kChunkTargetRva = 0x00004000;
inline constexpr std::uint32_t kChunkSize = 0x00000fff;

inline constexpr std::uint32_t kChunkNone = 0x00000000;
inline constexpr std::uint32_t kChunkFunction = 0x0001c000;
inline constexpr std::uint32_t kChunkAbsolute = 0x0002c000;
inline constexpr std::uint32_t kChunkRel32 = 0x0003c000;
inline constexpr std::uint32_t kChunkCallTarget = 0x00044000;

/// Operations of Suture's own, for what no public one covers: the header has none with bit 19.
inline constexpr std::uint32_t kChunkArm64Page21 = 0x0008c000;
inline constexpr std::uint32_t kChunkArm64Branch26 = 0x0009c000;
inline constexpr std::uint32_t kChunkImageRelative = 0x000ac000;
inline constexpr std::uint32_t kChunkBaselineCallTarget = 0x000b8000;

} // namespace suture::package
