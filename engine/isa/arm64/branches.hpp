#pragma once

#include "engine/isa/arm64/words.hpp"
#include "engine/isa/isa.hpp"

namespace suture::isa::arm64 {

/// `ldr x16, <literal>`, `br x16` and the address: to anywhere.
constexpr std::uint32_t kFarBranchSize = 16;

/// See Isa::encode_stub().
Result<Bytes> stub(Va at, Va cell);
/// See Isa::encode_veneer().
Bytes veneer(Va at, Va to);
/// See Isa::jump_at(): `b`; `br` through a register that the instructions before it set from a literal, or from an
/// adrp with an add (direct) or a load (indirect: what import thunks are).
std::optional<Isa::Jump> jump_at(ByteView code, Va at);

} // namespace suture::isa::arm64
