#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"
#include "engine/isa/isa.hpp"

#include <cstdint>
#include <optional>

namespace suture::isa::x64 {

constexpr std::uint32_t kShortJumpSize = 2;
constexpr std::uint32_t kNearJumpSize = 5;
constexpr std::uint32_t kFarJumpSize = 14;

void put8(Bytes& out, unsigned value);
void put32(Bytes& out, std::uint32_t value);
void put64(Bytes& out, std::uint64_t value);

/// The signed 32-bit distance from `from` to `to`, as it stands in code; nothing if it does not fit.
std::optional<std::uint32_t> distance32(Va from, Va to);

/// `e9 rel32` at `at`. Error: branch_out_of_reach.
Result<Bytes> near_jump(Va at, Va to);
/// `jmp [rip+0]` and an 8-byte literal: to anywhere, changes no register.
Bytes far_jump(Va to);
/// `jmp [rip+disp32]` at `at` through the pointer at `cell`, 6 bytes. Error: branch_out_of_reach.
Result<Bytes> jump_through(Va at, Va cell);
/// The same with traps behind it, kStubSize bytes. Error: branch_out_of_reach.
Result<Bytes> stub(Va at, Va cell);
/// See Isa::jump_at().
std::optional<Isa::Jump> jump_at(ByteView code, Va at);

} // namespace suture::isa::x64
