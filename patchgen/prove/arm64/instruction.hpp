#pragma once

#include "patchgen/program/program.hpp"

namespace suture::prove::arm64 {

inline constexpr std::uint32_t kWordSize = 4; ///< bytes of an instruction
inline constexpr std::uint32_t kZero = 31;    ///< number of the zero register, or of the stack pointer

/// Forms of instruction words that make an address from their own (Arm ARM, C4.1).
enum class Form : std::uint8_t {
    none,
    branch,             ///< b
    call,               ///< bl
    conditional_branch, ///< b.cond, cbz, cbnz, tbz, tbnz
    adr,
    adrp,
    literal, ///< ldr, ldrsw or prfm of a literal
};

/// As much of an instruction word as is needed to follow its address.
struct Distance {
    Form form = Form::none;
    std::uint32_t mask = 0;        ///< bits of the word that hold the distance
    std::uint32_t access_size = 0; ///< bytes, for literals; 0 for a prefetch
};

Distance distance_of(std::uint32_t word);
/// The address that a word with a distance makes at `pc`; of an adrp, that of the page.
std::uint64_t address_of(std::uint32_t word, std::uint64_t pc);

/// An instruction that may go on from a page in its base register: add of 12 bits, or a load, store or prefetch with an
/// offset that is not negative.
struct PageUser {
    program::Use use = program::Use::address; ///< address for add and prefetches
    bool is_add = false;
    std::uint32_t base = 0;        ///< register
    std::uint32_t value = 0;       ///< register: result of the add; what is loaded or stored
    std::uint32_t offset = 0;      ///< bytes
    std::uint32_t access_size = 0; ///< bytes, for loads and stores
};

/// Bits of a PageUser's word that hold its offset, and its base register.
inline constexpr std::uint32_t kOffsetMask = 0xfffu << 10;
inline constexpr std::uint32_t kBaseMask = 0x1fu << 5;

std::optional<PageUser> page_user(std::uint32_t word);
/// The load with a base and an offset of 0 that does what the load of a literal does; its base is register 0.
std::optional<std::uint32_t> load_with_base(std::uint32_t literal);

/// General registers as a set: bit n is that of x_n. The zero register and the stack pointer are in none.
using Registers = std::uint32_t;

struct RegisterUse {
    Registers reads = 0;
    Registers writes = 0; ///< always written, whole
};

/// What general registers an instruction uses. One that is not known reads all that its fields could name, and writes
/// none for certain.
RegisterUse registers_of(std::uint32_t word);

/// Whether control goes on behind an instruction.
enum class Flow : std::uint8_t {
    on,
    stops,   ///< b, ret, traps
    anywhere ///< br
};

Flow flow_of(std::uint32_t word);
/// True for bl, blr and their relatives.
bool is_call(std::uint32_t word);
/// True for ret and its relatives.
bool is_return(std::uint32_t word);
/// The registers of `mov to, from` of 64 bits, as to and from.
std::optional<std::pair<std::uint32_t, std::uint32_t>> copy_of(std::uint32_t word);

/// The registers that an instruction does nothing with but to store them at the stack pointer, whole: with an offset,
/// or making the stack longer first.
Registers stored_to_stack(std::uint32_t word);

/// A csel: which of two registers it copies under a condition, as b.cond has it.
struct Selection {
    std::uint32_t result = 0;
    std::uint32_t if_true = 0;
    std::uint32_t if_false = 0;
    std::uint32_t condition = 0;
    bool whole = false; ///< of 64 bits
};
std::optional<Selection> selection_of(std::uint32_t word);

} // namespace suture::prove::arm64
