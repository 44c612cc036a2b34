#pragma once

#include <cstdint>

namespace suture::program::arm64 {

/// Bytes of every instruction.
inline constexpr std::uint32_t kWord = 4;
/// Bytes of the pages that ADRP counts.
inline constexpr std::uint32_t kPage = 0x1000;
/// Number of XZR or SP, and of no register at all.
inline constexpr std::uint8_t kNone = 31;

/// What an instruction does, as far as it matters where code leads and what addresses it uses.
enum class Operation : std::uint8_t {
    invalid, ///< no instruction of the architecture, or one of an extension that is not known here
    other,   ///< nothing but `reads` and `written`
    nop,
    scalable,      ///< SVE: what it reads and writes is not known exactly
    adr,           ///< rd = own address + value
    adrp,          ///< rd = own page + value
    add,           ///< rd = rn + value, in 64 bits; value is below a page
    copy,          ///< rd = rn, 64 bits
    extend,        ///< rd = the low `access` bytes of rn, extended
    mask,          ///< rd = rn >> shift & value
    add_register,  ///< rd = rn + (the low `access` bytes of rm, extended, << shift), in 64 bits
    choose,        ///< rd = rn or rm
    compare,       ///< flags by rn - value; may write rd too
    memory,        ///< load, store or prefetch of `access` bytes at rn + value: the unsigned scaled form
    indexed_load,  ///< rd = `access` bytes at rn + (rm << shift); SIMD excluded
    load,          ///< rd = 8 bytes from anywhere else
    literal,       ///< `access` bytes at own address + value
    branch,        ///< to own address + value
    conditional,   ///< perhaps to own address + value
    call,          ///< to own address + value
    call_register, ///< to rn
    jump_register, ///< to rn
    terminator,    ///< returns, or ends the program
    breakpoint,    ///< what may go on behind it, but also stands where nothing does: __debugbreak(), a system call
};

/// The fields that move with an address.
enum class Field : std::uint8_t { none, branch26, branch19, branch14, adr21, page21, literal19 };

/// An instruction, taken apart.
struct Instruction {
    Operation operation = Operation::invalid;
    std::uint8_t rd = kNone;
    std::uint8_t rn = kNone;
    std::uint8_t rm = kNone;
    std::uint8_t access = 0; ///< bytes
    std::uint8_t shift = 0;
    std::uint8_t condition = 0; ///< of `conditional`, 0 to 15; 16 where it is no comparison's
    Field field = Field::none;
    bool is_signed = false;  ///< of what is extended or loaded
    bool stores = false;     ///< of `memory`
    bool accesses = false;   ///< it loads, stores or prefetches at rn
    bool wide = false;       ///< of `indexed_load` and `extend`: sign-extended to 64 bits rather than 32
    bool sets_flags = false; ///< the flags after it are its own
    std::uint32_t reads = 0; ///< bit per general register
    std::uint32_t written = 0;
    std::int64_t value = 0; ///< an immediate or a distance, in bytes
};

/// Takes an instruction apart (Arm Architecture Reference Manual for A-profile, "A64 instruction set encoding").
Instruction instruction_of(std::uint32_t word);

/// True if the instruction behind it runs only where something jumps to it.
constexpr bool ends_flow(Operation operation) {
    return operation == Operation::branch || operation == Operation::jump_register ||
           operation == Operation::terminator;
}

} // namespace suture::program::arm64
