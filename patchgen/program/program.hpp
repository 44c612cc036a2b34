#pragma once

#include "engine/pe/debug.hpp"
#include "engine/pe/exports.hpp"
#include "engine/pe/imports.hpp"
#include "engine/pe/load_config.hpp"
#include "engine/pe/relocations.hpp"
#include "engine/pe/runtime_functions.hpp"
#include "patchgen/program/instruction_starts.hpp"
#include "patchgen/program/types.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace suture::program {

/// Where a fact about an image comes from, best first. `gap`: code between functions that nothing is known to lead to.
enum class Source : std::uint8_t { pdb, coff, exports, pdata, guard_table, call_target, gap };

/// How the bytes of a reference field make an address.
enum class ReferenceKind : std::uint8_t {
    /// 4- or 1-byte displacement of a call or jump, relative to the end of the instruction.
    branch,
    /// 4-byte displacement of a memory operand or LEA, relative to the end of the instruction.
    rip_relative,
    /// 8-byte field with a base relocation.
    absolute,
    /// 4-byte displacement or immediate that holds an RVA added to the image base in a register.
    image_relative,

    // Arm64: the field is the whole instruction word, of which immediate_mask() says what holds the address.
    arm64_branch26,  ///< b, bl: distance from the instruction, in words
    arm64_branch19,  ///< b.cond, cbz, cbnz: likewise
    arm64_branch14,  ///< tbz, tbnz: likewise
    arm64_adr21,     ///< adr: distance from the instruction, in bytes
    arm64_literal19, ///< ldr, ldrsw of a literal: distance from the instruction, in words
    /// adrp: distance of pages. `target` is the page; it means nothing by itself, but for the page_uses of its
    /// function.
    arm64_page21,
    arm64_low12_add,  ///< add: offset in the page that an adrp has given, in bytes
    arm64_low12_load, ///< load, store or prefetch: likewise, in units of the bytes that one element has
};

/// Bits of the 4-byte field that hold the address; all of them for those of x64.
std::uint32_t immediate_mask(ReferenceKind kind);
/// True for a branch, call or jump of either machine.
bool is_branch(ReferenceKind kind);
/// False where `target` is no address that anything uses: the page of an adrp.
constexpr bool has_target(ReferenceKind kind) {
    return kind != ReferenceKind::arm64_page21;
}

/// What the code does with the address.
enum class Use : std::uint8_t {
    call,    ///< direct call
    jump,    ///< direct jump, conditional ones included
    address, ///< the address itself is taken: nothing is known of how far it is used
    read,    ///< `access_size` bytes are read
    write,   ///< `access_size` bytes are written (and perhaps read)
};

/// A field in a function's code that refers to something by address.
/// field value = target + addend - (address of the field), for branch and rip_relative. On Arm64 `offset` is that of
/// the instruction, `size` is 4 and `addend` is 0.
struct Reference {
    std::uint32_t offset = 0; ///< of the field, from the function's entry
    std::uint8_t size = 4;    ///< bytes of the field: 1, 4 or 8
    ReferenceKind kind = ReferenceKind::branch;
    Use use = Use::address;
    std::uint32_t access_size = 0; ///< bytes accessed, for read and write
    std::int32_t addend =
        -4; ///< -(bytes from the field to the end of the instruction); 0 for absolute and image_relative
    Rva target;
    std::uint32_t instruction = 0; ///< offset of the instruction that holds the field

    auto operator<=>(const Reference&) const = default;
};

/// A switch table that belongs to one function. Entry i leads to base + (entry << shift).
struct JumpTable {
    Rva at;
    Rva base;                    ///< RVA 0 where entries are RVAs
    std::vector<Rva> targets;    ///< instruction starts inside the function (or one of its parts)
    std::uint8_t entry_size = 4; ///< bytes: 1, 2 or 4
    std::uint8_t shift = 0;      ///< 2 where entries count the words of Arm64 code
    bool is_signed = true;       ///< of entries of 1 and 2 bytes

    bool operator==(const JumpTable&) const = default;
    RvaRange range() const { return {at, static_cast<std::uint32_t>(entry_size * targets.size())}; }
};

/// Arm64: an instruction that goes on from the page address which an adrp has put in a register. Both are references
/// of the function; these are the offsets of the instructions.
struct PageUse {
    std::uint32_t page = 0; ///< the adrp
    std::uint32_t user = 0; ///< the add, load or store

    auto operator<=>(const PageUse&) const = default;
};

/// A stretch of code that is entered at its first byte: a function, or a separated (cold) part of one.
struct Function {
    RvaRange range;                          ///< entry and size in bytes; trailing fill excluded
    std::vector<std::string> names;          ///< ascending, no repetition; several where code is folded; may be empty
    Source source = Source::pdata;           ///< of the bounds
    bool decoded = true;                     ///< false: the bytes are not all understood as code, see `undecoded`
    std::string undecoded;                   ///< why, with the RVA
    InstructionStarts instructions;
    std::vector<Reference> references;       ///< ascending by offset; those that stay within the function included
    std::vector<PageUse> page_uses;          ///< ascending; every arm64_low12_* reference is in at least one
    std::vector<JumpTable> jump_tables;      ///< ascending by `at`
    std::vector<pe::RuntimeFunction> unwind; ///< entries of .pdata that cover it, ascending

    /// The first name, or "sub_<rva in hex>".
    std::string display_name() const;
};

/// Something in a data section that has its own address. Extents without a size from a symbol end at the next object
/// or reference target, or at the end of the section.
struct DataObject {
    RvaRange range;
    std::vector<std::string> names; ///< ascending; empty where only references lead here
    bool size_known = false;        ///< the size comes from type information or a section contribution
    bool writable = false;
    bool closed = false; ///< an input section of the linker ends with it: nothing behind it can be part of it

    bool operator==(const DataObject&) const = default;
};

/// A 4-byte word of data that stands for an address without a base relocation: it leads to base + word. Exception
/// data, type information and tables whose entries code adds to a base are made of such.
struct AddressWord {
    Rva at;
    Rva base; ///< RVA 0 where the word is an RVA; the last byte of the address space where an end counts by
              ///< the byte before it
    bool indirect = false; ///< what counts is what the pointer there leads to

    auto operator<=>(const AddressWord&) const = default;
};

/// Functions on which sources disagree.
struct Conflict {
    Rva at;
    std::string detail;       ///< what each source says
    std::optional<Rva> other; ///< entry of the other function, where it is about two
};

/// How to read an image.
struct Options {
    /// PDB or image with COFF symbols; empty: the PDB that the image names, beside the image, then its own COFF
    /// symbols.
    std::string symbols;
    bool use_symbols = true;
};

/// An image as functions, data and references. Immutable; owns the file's bytes.
class Program {
  public:
    /// Reads the file and what describes it. Errors: file_unreadable, those of engine/pe, symbols_unreadable,
    /// symbols_mismatch (a PDB of another build), symbols_unsupported, image_unsupported (no code that can be
    /// understood: packed, managed, Arm64EC).
    static Result<std::unique_ptr<const Program>> load(const std::string& path, const Options& options);
    virtual ~Program() = default;

    virtual const std::string& path() const = 0;
    virtual const pe::Image& image() const = 0;
    /// Whole file.
    virtual ByteView file() const = 0;

    /// Ascending, not overlapping.
    virtual std::span<const Function> functions() const = 0;
    /// Ascending, not overlapping, together covering every data section's referenced or named parts.
    virtual std::span<const DataObject> data() const = 0;
    virtual std::span<const pe::ImportSlot> imports() const = 0;
    virtual std::span<const pe::Export> exports() const = 0;
    virtual std::span<const pe::Relocation> relocations() const = 0;
    virtual std::span<const pe::RuntimeFunction> runtime_functions() const = 0;
    virtual const pe::DebugInfo& debug() const = 0;
    virtual const pe::LoadConfig& load_config() const = 0;
    /// Ascending, one to an address. Only those that something tells of for certain.
    virtual std::span<const AddressWord> address_words() const { return {}; }
    /// What the image's own runtime relocates when it starts, ascending: what is copied into a package is not.
    virtual std::span<const RvaRange> runtime_fields() const { return {}; }
    /// Where a word leads, or nothing if that is not in the image.
    std::optional<Rva> target_of(const AddressWord& word) const;
    virtual std::span<const Conflict> conflicts() const = 0;
    /// "pdb", "coff" or "image": what names came from.
    virtual std::string_view symbol_source() const = 0;
    /// Types of the PDB; nullptr where there is none: other symbols say nothing of types.
    virtual const Types* types() const { return nullptr; }

    /// How many functions begin at or before `rva`; likewise for data.
    virtual std::size_t functions_up_to(Rva rva) const;
    virtual std::size_t data_up_to(Rva rva) const;
    /// The function whose range holds `rva`, or nullptr.
    const Function* function_at(Rva rva) const;
    const DataObject* data_at(Rva rva) const;
    const pe::ImportSlot* import_at(Rva slot) const;
    /// True if a base relocation covers the field at `rva`.
    bool relocated(Rva rva) const;
    /// Preferred-base pointer at a relocated field, as an RVA.
    std::optional<Rva> pointer_at(Rva field) const;
    /// True if something leads or refers to a byte of `range`.
    virtual bool is_referred_to(RvaRange) const { return true; }
    /// Bytes between functions that are fill (no reference leads there, no symbol, all fill bytes), ascending: pads
    /// for redirect sites.
    virtual std::span<const RvaRange> pads() const = 0;
    /// Offsets inside `function` that something branches or refers to (its own branches, other functions, jump
    /// tables, pointers in data, unwind scopes), ascending, 0 excluded.
    virtual std::vector<std::uint32_t> inner_targets(const Function& function) const = 0;
};

/// The data object that is called `name` ("+0x" and the RVA in hexadecimal where it has no name), if only one is;
/// else nullptr.
const DataObject* data_called(const Program& program, std::string_view name);

} // namespace suture::program
