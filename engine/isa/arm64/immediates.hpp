#pragma once

#include <cstdint>
#include <optional>

namespace suture::isa::arm64 {

/// Bytes of every A64 instruction; each starts at a multiple of it.
constexpr std::uint32_t kInstructionSize = 4;

/// The fields of an A64 instruction word that hold an address, or one's low part
/// (Arm Architecture Reference Manual, C6.2 and C7.2). get() and put() say what each counts.
enum class Form : std::uint8_t {
    branch26,  ///< b, bl: +-128 MiB in steps of 4, from the instruction's address
    branch19,  ///< b.cond, bc.cond, cbz, cbnz: +-1 MiB in steps of 4, likewise
    branch14,  ///< tbz, tbnz: +-32 KiB in steps of 4, likewise
    adr21,     ///< adr: +-1 MiB, likewise
    adrp21,    ///< adrp: +-4 GiB in steps of 0x1000, from the page of the instruction's address
    literal19, ///< ldr, ldrsw and prfm of a literal: +-1 MiB in steps of 4, from the instruction's address
    add12,     ///< add of an immediate, no flags set: 0 to 0xfff; in steps of 0x1000 where the word says `lsl #12`
    ldst12,    ///< loads and stores of one register, prfm: an unsigned offset in steps of the access's size
};

/// Which of the forms the instruction is; nothing for any other.
std::optional<Form> form_of(std::uint32_t word);

/// True if the field counts from the instruction's own address, or from its page.
bool is_pc_relative(Form form);

/// What one step of the field is in bytes, of an instruction of that form: 4 for branches and literals, 0x1000 for
/// adrp, the size of the access for ldst12 (1, 2, 4, 8, 16), 1 for adr.
std::uint32_t step_of(Form form, std::uint32_t word);

/// What the field holds, in bytes: a signed distance where the form is relative (adrp: between pages), else an
/// unsigned offset. `word` must be of that form.
std::int64_t get(Form form, std::uint32_t word);

/// `word` with `bytes` in its field and every other bit as it is; nothing if that does not fit, or is no whole number
/// of steps. `word` must be of that form.
std::optional<std::uint32_t> put(Form form, std::uint32_t word, std::int64_t bytes);

/// What an instruction of a relative form at `pc` refers to: get() from `pc`, or from its page. Wraps as addresses do.
std::uint64_t target_of(Form form, std::uint32_t word, std::uint64_t pc);

/// `word`, of a relative form, as it refers to `target` from `pc`: for adrp to the page that holds `target`. Nothing
/// if it does not reach, or the target is not aligned as the form wants it.
std::optional<std::uint32_t> aimed_at(Form form, std::uint32_t word, std::uint64_t pc, std::uint64_t target);

/// True if a `bl`, false if a `b`; of branch26 only.
constexpr bool is_call(std::uint32_t word) {
    return (word & 0x8000'0000) != 0;
}

} // namespace suture::isa::arm64
