#pragma once

#include "engine/core/byte_view.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace suture::isa::x64 {

/// What an instruction does to the instruction pointer.
enum class Flow : std::uint8_t {
    next,        ///< goes on behind itself
    jump,        ///< jmp, relative or indirect
    conditional, ///< jcc
    call,        ///< call, relative or indirect
    end,         ///< never goes on behind itself: ret, iret, ud2, int 29h (__fastfail)
};

/// What moving an instruction needs to know of it. Offsets are within the instruction, in bytes.
struct Instruction {
    std::uint8_t length = 0;
    Flow flow = Flow::next;
    bool relative_branch = false;     ///< its operand is a distance; `target` says where to
    std::uint8_t displacement_at = 0; ///< offset of the disp32 of a RIP-relative memory operand; 0 if it has none
    std::int64_t target = 0;          ///< of either: distance from the instruction's first byte to what it refers to
    std::uint8_t condition = 0;       ///< jcc: the low four bits of its opcode
    std::uint8_t modrm_at = 0;        ///< indirect jump or call: offset of ModRM
    bool operand_is_rsp = false;      ///< indirect call: its operand is rsp, or memory addressed by it
    bool computes_only = false;       ///< lea, or a NOP: the memory operand is not accessed
    /// Why the instruction cannot be moved at all ("loop"), or empty.
    std::string_view obstacle;

    bool falls_through() const { return flow != Flow::jump && flow != Flow::end; }
};

/// The instruction that `code` starts with, in 64-bit mode; nothing if it is undefined or cut off.
std::optional<Instruction> decode(ByteView code);

} // namespace suture::isa::x64
