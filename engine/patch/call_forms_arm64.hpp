#pragma once

#include "engine/core/byte_view.hpp"

#include <cstdint>

namespace suture::patch {

/// Bytes of every instruction, calls included.
inline constexpr std::uint64_t kInstructionSizeArm64 = 4;

/// True if `word` is a call: bl, or blr in any of its forms.
bool is_call_arm64(std::uint32_t word);

/// True if straight-line code from the start of `bytes` reaches a return or a branch without a call, without moving the
/// stack pointer and without touching x30: what code of a function without unwind data must look like.
bool looks_like_leaf_arm64(ByteView bytes);

} // namespace suture::patch
