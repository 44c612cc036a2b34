#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

namespace suture::isa::x64 {

/// Whether `displaced` is whole instructions that can be moved to any place within reach and fit a continuation
/// there. Error: site_unproved.
Result<void> check_movable(ByteView displaced);

/// True if `displaced` is whole instructions the last of which never goes on behind itself, and is no call.
bool ends_flow(ByteView displaced);

/// See Isa::encode_continuation().
Result<Bytes> continuation(ByteView displaced, Va entry, Va at);

} // namespace suture::isa::x64
