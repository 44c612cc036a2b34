#pragma once

#include "patchgen/program/x64/decode.hpp"

namespace suture::program::x64 {

/// What an instruction does to the values that are followed through the registers.
enum class Operation : std::uint8_t {
    other,         ///< see `written`
    load_address,  ///< dst = address `target` (LEA of a RIP-relative operand)
    compute,       ///< dst = address of the memory operand (LEA)
    copy,          ///< dst = src, 64 bits
    extend,        ///< dst = low half of src, sign or zero extended
    load_signed,   ///< dst = sign-extended 4 bytes of the memory operand
    load_unsigned, ///< dst = zero-extended 4 bytes of the memory operand
    load,          ///< dst = 8 bytes of the memory operand, RIP-relative ones included
    store,         ///< 8 bytes of the memory operand = src
    add,           ///< dst += src
    compare,       ///< dst, or the memory operand, with `immediate`
    mask,          ///< dst &= immediate
    jump_register, ///< jump to src
    call,
};

/// No register.
inline constexpr std::int8_t kNone = -1;

/// An instruction in the terms of register flow. Registers are numbered as they are encoded: 4 is RSP, 5 RBP.
struct Step {
    std::uint32_t offset = 0;
    std::uint8_t length = 0;
    Operation operation = Operation::other;
    std::int8_t dst = kNone;
    std::int8_t src = kNone;
    std::uint16_t written = 0; ///< bit per register that it writes
    bool fill = false;         ///< int3 or a NOP
    bool ends_flow = false;    ///< a terminator
    bool fails = false;        ///< __fastfail: compilers let code go on behind it that is never reached
    bool leaves = false;       ///< of jump_register: with REX.W, as compilers mark the end of an epilogue
    bool sets_flags = false;   ///< arithmetic ones
    bool jumps = false;        ///< a direct jump, conditional or not, to `target`
    bool above = false;        ///< JA: taken where greater
    bool above_or_equal = false;
    Rva target;                  ///< of jumps and load_address
    std::uint64_t immediate = 0; ///< of compare and mask
    // the memory operand, unless it is RIP-relative
    bool memory = false;
    bool wide_displacement = false; ///< of 32 bits
    std::int8_t base = kNone;
    std::int8_t index = kNone;
    std::uint8_t scale = 0;
    std::int32_t displacement = 0;
    std::uint8_t displacement_at = 0; ///< offset of its field in the instruction
    Access access;

    bool operator==(const Step&) const = default;
};

/// What in an instruction says which register is meant.
enum class RegisterField : std::uint8_t { none, reg, rm, opcode };

/// A step as Zydis tells it, and where the numbers in it come from.
struct DecodedStep {
    Step step;
    RegisterField dst = RegisterField::none; ///< none: whatever the fields hold
    RegisterField src = RegisterField::none; ///< likewise
    std::uint16_t always_written = 0;        ///< registers that no field tells
    std::uint8_t written_fields = 0;         ///< bit per RegisterField
    std::uint8_t byte_fields = 0;            ///< likewise: those that may mean AH, CH, DH and BH
    std::uint8_t displacement_size = 0; ///< bytes, at step.displacement_at
    std::uint8_t immediate_at = 0;      ///< offset of its field in the instruction
    std::uint8_t immediate_size = 0;    ///< bytes; 0: there is no such field
    bool immediate_is_signed = false;
    bool immediate_counts = false; ///< the field is `immediate`
};

/// The step of the instruction that `code` starts with and that lies at `at`, `offset` bytes behind the begin of its
/// function; nothing if it cannot be decoded.
std::optional<DecodedStep> decode_step(ByteView code, Rva at, std::uint32_t offset);

/// The steps of decoded code; nothing if an instruction cannot be decoded again.
std::vector<Step> steps_of(const Stretch& stretch, std::span<const std::uint32_t> instructions);

} // namespace suture::program::x64
