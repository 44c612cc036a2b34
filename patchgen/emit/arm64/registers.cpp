#include "patchgen/emit/arm64/registers.hpp"

#include <algorithm>

namespace suture::emit::arm64 {

namespace {

constexpr std::uint32_t kFirst = 16;
constexpr std::uint32_t kSecond = 17;

std::uint32_t field(std::uint32_t word, unsigned shift) {
    return word >> shift & 31;
}

/// True where the word may mention the register: every field of five bits that can be a register counts, where the
/// instruction is none of the frequent ones that have an immediate there.
bool may_mention(std::uint32_t word, std::uint32_t wanted) {
    const auto is = [&](unsigned shift) { return field(word, shift) == wanted; };
    if ((word & 0x7c000000) == 0x14000000 || (word & 0xff000000) == 0x54000000)
        return false; // b, bl, b.cond
    if ((word & 0x7c000000) == 0x34000000)
        return is(0); // cbz, cbnz, tbz, tbnz
    if ((word & 0x1f000000) == 0x10000000 || (word & 0x1f800000) == 0x12800000)
        return is(0); // adr, adrp; movn, movz, movk
    if ((word & 0x3b000000) == 0x18000000)
        return (word & 0x04000000) == 0 && is(0); // load of a literal
    if ((word & 0x1f800000) == 0x11000000 || (word & 0x1f800000) == 0x12000000 || (word & 0x1f800000) == 0x13000000)
        return is(0) || is(5); // add and logic of an immediate, bit fields
    if ((word & 0x1e000000) == 0x0a000000)
        return is(0) || is(5) || is(16); // add and logic of two registers, one of them shifted or extended
    if ((word & 0x3b000000) == 0x39000000)
        return is(5) || ((word & 0x04000000) == 0 && is(0)); // loads and stores with an unsigned offset
    if ((word & 0xfffff01f) == 0xd503201f)
        return (word >> 8 & 15) == 1; // hints: pacia1716 and its kin work on x16 and x17
    // Pairs of registers of which only the first is named (casp), eight of them (ld64b), and signing of x16 and x17
    // without naming them.
    if ((word & 0x3fa07c00) == 0x08207c00 || (word & 0xff20fc00) == 0xf820d000 || (word & 0xffff8000) == 0xdac18000)
        return true;
    return is(0) || is(5) || is(10) || is(16);
}

/// True if control may leave for the middle of another function, which may expect the register to be kept.
bool leaves_for_a_middle(const program::Program& program, const program::Function& function) {
    const auto is_middle = [&](Rva target) {
        if (function.range.contains(target))
            return false;
        const program::Function* other = program.function_at(target);
        return !other || other->range.begin != target;
    };
    return std::ranges::any_of(function.references,
                               [&](const program::Reference& reference) {
                                   return program::is_branch(reference.kind) && is_middle(reference.target);
                               }) ||
           std::ranges::any_of(function.jump_tables, [&](const program::JumpTable& table) {
               return std::ranges::any_of(table.targets, is_middle);
           });
}

} // namespace

std::optional<std::uint32_t> free_register(const program::Program& program, const program::Function& function) {
    const auto code = program.image().bytes_at(function.range.begin, function.range.size);
    if (!code || leaves_for_a_middle(program, function))
        return std::nullopt;
    for (const std::uint32_t wanted : {kFirst, kSecond})
        if (std::ranges::none_of(function.instructions.offsets(), [&](std::uint32_t offset) {
                const auto word = code->read<std::uint32_t>(offset);
                return !word || may_mention(*word, wanted);
            }))
            return wanted;
    return std::nullopt;
}

} // namespace suture::emit::arm64
