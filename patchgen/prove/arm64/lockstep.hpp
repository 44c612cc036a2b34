#pragma once

#include "patchgen/prove/arm64/instruction.hpp"
#include "patchgen/prove/place.hpp"

#include <map>
#include <set>

namespace suture::prove::arm64 {

/// Code of the patched program, as the bases it is laid at make it.
class PatchedCode {
  public:
    virtual ~PatchedCode() = default;
    /// The instruction word at `place`; nothing where no code is, or where it is not aligned.
    virtual std::optional<std::uint32_t> word(Place place) const = 0;
    /// The address that the word at `place` makes, see address_of(); nothing if that is nowhere or depends on the
    /// bases.
    virtual std::optional<Place> address(Place place) const = 0;
};

/// What a caller may rely on beside the calling convention.
struct Callee {
    Registers kept = 0;  ///< registers that it does not touch
    bool returns = true; ///< false: nothing in it leads out of it

    bool operator==(const Callee&) const = default;
};

/// Of a function's code, which begins at `begin`. `kept` only where that is a few instructions, one behind the other,
/// as in the helpers that put the security cookie on the stack.
Callee callee_of(ByteView code, Rva begin);

/// What is to be compared.
struct Question {
    const program::Function& function; ///< of the updated image
    ByteView code;                     ///< its bytes
    Place entry;                       ///< what stands for its first byte
    const PatchedCode& patched;
    /// The word of the updated image at an address outside the function, for branches.
    std::function<std::optional<std::uint32_t>(Rva)> updated_word;
    /// Whether an address of the updated image is the slot of an import.
    std::function<bool(Rva)> is_import;
    /// What is known of the function of the updated image that a call leads to; of the patched program's at that place
    /// it must hold too.
    std::function<Callee(Rva, std::optional<Place>)> callee;
    /// Where the updated image has the address of the guard's check of a call's target.
    std::optional<Rva> guard_check;
    /// Whether the function has an exception handler: then exceptions go on in code of it that nothing leads to.
    std::function<bool()> has_handler;
    /// Whether unwind data says that the instruction at an offset is one of a prologue.
    std::function<bool(std::uint32_t)> is_in_prologue;
    /// Offsets at which control may come from outside, each with the registers that may then hold different values.
    std::map<std::uint32_t, Registers> entries;
    /// Offsets whose address is somewhere in data: where jumps by register in this function may lead, and, if it has
    /// none, others.
    std::set<std::uint32_t> taken;
    /// Offsets that branches of other functions lead to: they are in `entries` once those functions are compared.
    std::set<std::uint32_t> jumped_to;
    /// Offsets at which code goes on after an exception in this function.
    std::set<std::uint32_t> caught;
    /// Whether pages of the baseline that have the same RVA in the updated image are taken to be the same, wherever
    /// their addresses go. They are in Comparison::pages then.
    bool takes_pages_as_they_are = false;
};

/// An address of the updated image that the function makes, and what the patched code makes in its place.
struct Meeting {
    Rva at; ///< the instruction, in the updated image
    Rva updated;
    Place place;
    program::Use use = program::Use::address;
    std::uint32_t access_size = 0; ///< bytes, for read and write
    Registers different = 0;       ///< for call and jump: registers that hold different values on arrival
};

/// What has been found to be the same but for the addresses, which are left to the caller.
struct Comparison {
    std::vector<Meeting> meetings;
    std::vector<Rva> fields; ///< words of the package whose address is in `meetings`
    struct Veneer {
        std::uint32_t size = 0;        ///< bytes
        std::uint32_t instruction = 0; ///< offset of what it stands for
    };
    std::map<Rva, Veneer> veneers;                   ///< words of the package behind the function that run for it
    std::map<std::uint32_t, std::uint32_t> literals; ///< data within the function: offset and bytes
    std::set<Rva> pages;                 ///< all of each must mean the same in the baseline, at the same address
    Registers different_at_tables = 0;   ///< registers that hold different values where a table is used
    Registers different_when_thrown = 0; ///< likewise, where an exception may begin
};

/// Compares the function with what stands for it, instruction by instruction along all paths: the same opcodes and
/// operands, but for fields that make addresses. What an adrp leaves in a register is followed to every instruction
/// that goes on from it; a page that is used in any other way is an error, as is any use of a register whose value the
/// patched code does not have (such as one that a veneer clobbers). A veneer must do what the one instruction does that
/// it stands for, and lead back behind it. Error: proof_failed at an address of the updated image.
Result<Comparison> compare(const Question& question);

} // namespace suture::prove::arm64
