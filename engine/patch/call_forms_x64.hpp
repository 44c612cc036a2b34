#pragma once

#include "engine/core/byte_view.hpp"

#include <cstdint>
#include <optional>

namespace suture::patch {

/// Longest call instruction that compilers write, prefixes included, in bytes.
inline constexpr std::uint64_t kMaxCallSizeX64 = 8;

/// True if a call instruction of any form ends where `bytes` end.
bool ends_with_call_x64(ByteView bytes);

/// True if straight-line code from the start of `bytes` reaches a return or a jump without a call and without moving
/// the stack pointer: what code of a function without unwind data must look like.
bool looks_like_leaf_x64(ByteView bytes);

} // namespace suture::patch
