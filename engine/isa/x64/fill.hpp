#pragma once

#include "engine/core/byte_view.hpp"

#include <cstddef>
#include <cstdint>

namespace suture::isa::x64 {

/// Bytes of the canonical NOP that `code` starts with (Intel SDM volume 2, "NOP", table of recommended forms, with the
/// 66 and 2e prefixes that assemblers add), or 0.
std::size_t nop_length(ByteView code);

/// True if `bytes` is one or more canonical NOPs and nothing else.
bool is_nops(ByteView bytes);

/// True if `bytes` is one or more bytes of fill and nothing else: all CC, or whole canonical NOPs.
bool is_fill(ByteView bytes);

/// True if fill of at least `count` bytes starts, or ends, `bytes`: whole instructions, which may extend beyond
/// `count`.
bool starts_with_fill(ByteView bytes, std::size_t count);
bool ends_with_fill(ByteView bytes, std::size_t count);

} // namespace suture::isa::x64
