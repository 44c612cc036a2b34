#pragma once

#include "patchgen/program/stretch.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace suture::program {

/// Where a switch jumps: what is known before the table itself is read.
struct Switch {
    Rva table;
    Rva base;                           ///< added to an entry; RVA 0 where that is the image base
    std::optional<std::uint32_t> count; ///< entries, by the comparison in front of it
    bool count_is_proved = false;       ///< by every way to the switch; else another comparison may be meant
    std::uint8_t entry_size = 4;        ///< bytes: 1, 2 or 4
    std::uint8_t shift = 0;             ///< of an entry, to the left
    bool is_signed = true;              ///< of entries

    auto operator<=>(const Switch&) const = default;
};

/// Where entry `i` of a switch's table leads, or nothing if that is not in the image.
std::optional<Rva> target_of_entry(const pe::Image& image, const Switch& s, std::uint32_t i);

/// Tables whose entries a function adds to something, but for those of its switches: ascending, each once.
std::vector<AddressTable> address_tables_but(std::span<const Switch> switches, std::vector<AddressTable> tables);

/// What following the registers through a function found.
struct RegisterFlow {
    std::vector<Switch> switches;      ///< ascending
    std::vector<Reference> references; ///< those that only the flow tells, ascending: see MachineCode::is_of_flow
    std::vector<PageUse> page_uses;    ///< ascending
    std::vector<AddressTable> address_tables; ///< ascending
    std::vector<Extent> data; ///< bytes of the stretch that are read; up to its end where it is not known how many
    std::string undecoded;    ///< empty: everything is understood
};

/// Which code is followed.
enum class Reach : std::uint8_t {
    known_ways, ///< what branches and switches lead to: to find the switches
    everything, ///< also what nothing is known to lead to, as where an exception goes on: to prove the result
};

/// What lies around a function that is followed.
struct FlowHints {
    /// Where a switch leads, as offsets in the stretch.
    std::function<std::span<const std::uint32_t>(const Switch&)> jumps_of;
    /// Whether relative jumps into the function may stand at an address.
    std::function<bool(Rva)> looks_like_table;
};

/// Follows addresses through the registers of one function.
class RegisterFollower {
  public:
    virtual ~RegisterFollower() = default;
    virtual RegisterFlow follow(const FlowHints& hints, Reach reach) = 0;
};

/// How far code gets in front of an address that it takes.
struct ReachBack {
    std::uint32_t bytes = 0; ///< in front of it, that are accessed or might be
    bool is_open = false;    ///< perhaps further: in steps that nothing here counts

    bool any() const { return bytes != 0 || is_open; }
};

/// A switch of a function that is followed: offsets in it.
struct Cases {
    std::vector<std::uint32_t> takers; ///< instructions that make the address of its table, or what entries count from
    std::vector<std::uint32_t> labels; ///< where it leads
};

/// How code of one machine is read. Stateless: any thread may use it.
class MachineCode {
  public:
    virtual ~MachineCode() = default;

    /// Decodes a stretch linearly. Never fails: see DecodedCode::undecoded.
    virtual DecodedCode decode(const Stretch& stretch) const = 0;
    /// Decodes what branches reach from `entries` (offsets in the stretch): where tables between instructions stop
    /// decode(), to find the code that uses them. Blocks that cannot be decoded are left out; nothing is checked.
    /// `past_calls`: whether code goes on in the fill behind a call, or ends there as behind one that does not return.
    virtual DecodedCode decode_reached(const Stretch& stretch, std::span<const std::uint32_t> entries,
                                       bool past_calls) const = 0;
    /// For decoded code. `stretch` must outlive it.
    virtual std::unique_ptr<RegisterFollower> follower(const Stretch& stretch,
                                                       std::span<const std::uint32_t> instructions) const = 0;
    /// True for references that only the flow of registers tells.
    virtual bool is_of_flow(ReferenceKind kind) const = 0;
    /// True if unwind data says which of its entries are parts of one function (x64: chained ones); else the code
    /// alone tells.
    virtual bool has_linked_parts() const = 0;
    /// Offset of the first fill in decoded code that only lies between functions; past the end if there is none, or
    /// none that can be told from other fill.
    virtual std::uint32_t first_wall(const Stretch& stretch, std::span<const std::uint32_t> instructions) const = 0;
    /// True if all of `bytes` is what stands between functions and is never run.
    virtual bool is_fill(ByteView bytes) const = 0;
    /// Bytes of the first piece of fill that `bytes` begin with; 0: none.
    virtual std::uint32_t fill_at(ByteView bytes) const = 0;
    /// What compilers align functions to where they optimise for speed, in bytes.
    virtual std::uint32_t function_alignment() const = 0;
    /// Calls found(offset, distance) for whatever in `bytes`, from `from` on, could be read as a branch: it leads to
    /// offset + distance.
    virtual void possible_branches(ByteView bytes, std::uint32_t from,
                                   const std::function<void(std::uint32_t, std::int32_t)>& found) const = 0;
    /// Whatever in a function that is not understood could be read as a reference, but for what is known to be one.
    /// `stretch` holds its bytes, `instructions` and `known` what was understood of it. The order
    /// is the same for equal code.
    virtual std::vector<Reference> possible_references(const Stretch& stretch,
                                                       std::span<const std::uint32_t> instructions,
                                                       std::span<const Reference> known) const = 0;
    /// True if code may add something to the address that the instruction at the offset `instruction` of a decoded
    /// function takes, so that it gets behind the first `size` bytes there. `cases`: offsets that switches lead to.
    virtual bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                             std::span<const std::uint32_t> cases, std::uint32_t instruction,
                             std::uint32_t size) const = 0;
    /// How far code of a decoded function gets in front of the address that the instructions at the offsets `takers`,
    /// ascending, make.
    virtual ReachBack reach_back(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                                 std::span<const Cases> cases, std::span<const std::uint32_t> takers) const = 0;
    /// By how much further the second of two instructions accesses memory, counted from a register that is not the
    /// stack's or the frame's; nothing where they differ in more, or not at all.
    virtual std::optional<std::int64_t> member_shift(ByteView before, ByteView after) const = 0;
    /// By how much the constant is larger that the second of two instructions puts into a register; nothing where they
    /// differ in more, or not at all, or do something else.
    virtual std::optional<std::int64_t> constant_shift(ByteView before, ByteView after) const = 0;
    /// The distance at which an instruction accesses memory, counted from a register as in member_shift().
    virtual std::optional<std::int64_t> member_distance(ByteView instruction) const = 0;
    /// Of code that begins with a jump to where a slot in memory leads, as import thunks do: offset of the instruction
    /// that reads the slot.
    virtual std::optional<std::uint32_t> reads_slot_to_jump(ByteView code) const = 0;
};

/// The code of a machine.
const MachineCode& machine_code(Machine machine);

} // namespace suture::program
