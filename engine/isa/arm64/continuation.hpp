#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

namespace suture::isa::arm64 {

/// See Isa::encode_continuation(). Changes no register but those of the instruction itself, and x16 where that loads a
/// vector register or prefetches from a literal: at a function's entry x16 holds nothing, since stubs and veneers
/// change it.
Result<Bytes> continuation(ByteView displaced, Va entry, Va at);

} // namespace suture::isa::arm64
