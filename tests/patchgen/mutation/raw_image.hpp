#pragma once

#include "engine/pe/exports.hpp"
#include "engine/pe/imports.hpp"
#include "engine/pe/relocations.hpp"
#include "engine/pe/runtime_functions.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace suture::test {

/// An instruction as a plain disassembler reads it.
struct Instruction {
    enum class Flow : std::uint8_t { none, call, jump, conditional };

    Rva at;
    std::uint8_t size = 0;
    Flow flow = Flow::none;      ///< direct ones
    std::optional<Rva> target{}; ///< of a direct branch, or the address that it makes or accesses
    std::uint32_t access = 0;    ///< bytes read or written at `target`; 0: the address is taken
    bool writes = false;         ///< of the access
    std::uint8_t field = 0;      ///< x64: offset of the bytes that make `target`
    std::uint8_t field_size = 0; ///< bytes; 0: there is no such field
    std::uint8_t opcode = 0;     ///< x64: offset of the opcode's last byte
    std::uint8_t modrm = 0;      ///< x64: offset; 0: none
    std::uint8_t immediate = 0;  ///< x64: offset of a number; 0: none
    std::uint8_t immediate_size = 0;
    std::uint8_t displacement = 0; ///< x64: offset of a displacement from a register; 0: none
    std::uint8_t displacement_size = 0;
    std::uint32_t word = 0; ///< Arm64: the instruction itself
    Rva page_of{};          ///< Arm64: the adrp that `target` was made with; RVA 0: none

    RvaRange range() const { return {at, size}; }
};

/// What an image holds, found out without patchgen: sections, exception directory, relocations, and the code as a
/// plain disassembler reads it from the first byte of each stretch on.
class RawImage {
  public:
    /// `extra`: stretches of code that the exception directory does not list. Nothing if the image cannot be read.
    static std::unique_ptr<const RawImage> read(Bytes file, std::span<const RvaRange> extra);

    const pe::Image& image() const { return *image_; }
    const Bytes& file() const { return file_; }
    Machine machine() const { return image_->machine(); }
    bool is_arm64() const { return machine() == Machine::arm64; }
    std::span<const pe::RuntimeFunction> runtime_functions() const { return runtime_functions_; }
    std::span<const pe::Relocation> relocations() const { return relocations_; }
    std::span<const pe::ImportSlot> imports() const { return imports_; }
    std::span<const pe::Export> exports() const { return exports_; }
    /// Ascending, not overlapping.
    std::span<const RvaRange> stretches() const { return stretches_; }
    const RvaRange* stretch_at(Rva rva) const;
    /// Ascending; not those behind data within a stretch.
    const std::vector<Instruction>& instructions() const { return instructions_; }
    /// Those of one stretch.
    std::span<const Instruction> instructions_in(const RvaRange& stretch) const;
    /// Those that refer to data, by target.
    const std::vector<const Instruction*>& data_references() const { return data_references_; }
    /// An instruction that leads to just this address, or nullptr.
    const Instruction* reference_to(Rva target) const;
    /// What leads_into() has found, or nothing.
    std::optional<Rva> first_lead(Rva begin, Rva end) const;
    bool relocated(Rva rva) const;
    std::optional<Rva> pointer_at(Rva field) const;
    /// True if anything may lead into [begin, end): an address or a number in code, a relocated pointer, an export,
    /// or a word of a handler's data that is an RVA there.
    bool leads_into(Rva begin, Rva end) const { return first_lead(begin, end).has_value(); }
    /// Relocated fields outside of code, ascending.
    const std::vector<Rva>& pointer_fields() const { return pointer_fields_; }
    /// Data that linkers write for loaders and debuggers: directories and what only they lead to.
    bool of_linker(Rva rva) const;
    /// Where the last of such data that lies below an address ends, or 0: nothing of a program goes on across it.
    Rva end_of_linkers_below(Rva at) const;
    /// UNWIND_INFO and .xdata records, but for what belongs to the handlers that they name.
    bool of_unwinding(Rva rva) const;
    /// True if no stretch of code lies between the two addresses, nor around either.
    bool in_one_gap(Rva first, Rva second) const;
    /// Where the stretch of code before a place between stretches ends, or its section begins.
    Rva begin_of_gap(Rva at) const;
    /// True for a byte between stretches of code that is fill: of a NOP, a trap, or a zero between instructions.
    bool is_fill_at(Rva rva) const;
    /// Entries of code: of stretches, exports, and targets of calls; ascending.
    const std::vector<Rva>& entries() const { return entries_; }
    /// Entries of the table of distances that an instruction takes the address of, where they lead to instructions of
    /// its own function: the form of jump tables that both compilers use for x64. 0: it is none.
    std::uint32_t jump_table_of(const Instruction& one) const;
    /// What the data of an entry of the exception directory has at least: its operations, and what belongs to a handler
    /// or to a chained entry if there is one, or nothing where that goes on to an end that is not known.
    std::optional<std::uint32_t> size_of_unwinding(Rva unwind_info) const;
    /// Size of the string at `rva` with its NUL where at least three printable characters lie there in read-only data,
    /// else 0.
    std::uint32_t string_at(Rva rva) const;
    /// Instructions that access the byte at `at`, or take the address of the string that it is part of.
    std::vector<Rva> users_of(Rva at) const;

  private:
    void find_stretches(std::span<const RvaRange> extra);
    void disassemble_x64(const RvaRange& stretch);
    void disassemble_arm64(const RvaRange& stretch);
    void find_linkers_data();
    void find_unwinding();
    void find_leads();

    Bytes file_;
    std::optional<pe::Image> image_;
    std::vector<pe::RuntimeFunction> runtime_functions_;
    std::vector<pe::Relocation> relocations_;
    std::vector<pe::ImportSlot> imports_;
    std::vector<pe::Export> exports_;
    std::vector<RvaRange> stretches_;
    std::vector<Instruction> instructions_;
    std::vector<const Instruction*> data_references_;
    std::vector<Rva> pointer_fields_;
    std::vector<RvaRange> linkers_;
    std::vector<RvaRange> unwinding_; ///< ascending
    std::vector<Rva> entries_;
    std::vector<Rva> leads_; ///< for leads_into(), ascending
};

} // namespace suture::test
