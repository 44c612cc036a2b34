#include "tests/patchgen/mutation/generate.hpp"

namespace suture::test {

namespace {

using Flow = Instruction::Flow;

std::optional<Mutant> with_word(const RawImage& image, Kind kind, const Instruction& one, std::uint32_t word) {
    Bytes bytes;
    for (unsigned i = 0; i < 4; ++i)
        bytes.push_back(static_cast<std::uint8_t>(word >> 8 * i));
    return changed(image, kind, one.at, std::move(bytes), {one.at}, true);
}

/// The field of a branch: its lowest bit and its width.
struct Field {
    unsigned low = 0;
    unsigned bits = 0;
};

Field branch_field(std::uint32_t word) {
    if ((word & 0x7c000000) == 0x14000000)
        return {0, 26};
    return (word & 0x7e000000) == 0x36000000 ? Field{5, 14} : Field{5, 19};
}

std::optional<Mutant> redirected_branch(const RawImage& image, Kind kind, const Instruction& one, Rva target) {
    const Field field = branch_field(one.word);
    const std::int64_t words = (static_cast<std::int64_t>(target.value) - one.at.value) / 4;
    const std::int64_t reach = std::int64_t{1} << (field.bits - 1);
    if (target.value % 4 != 0 || words < -reach || words >= reach)
        return std::nullopt;
    const std::uint32_t mask = ((1u << field.bits) - 1) << field.low;
    return with_word(image, kind, one, (one.word & ~mask) | (static_cast<std::uint32_t>(words) << field.low & mask));
}

/// Another offset in the same page, where the instruction can say it.
std::optional<Mutant> redirected_low(const RawImage& image, Kind kind, const Instruction& one, Rva target) {
    if (target.value >> 12 != one.target->value >> 12)
        return std::nullopt;
    const std::uint32_t low = target.value & 0xfff;
    const std::uint32_t unit = one.access == 0 ? 1 : one.access;
    if (low % unit != 0)
        return std::nullopt;
    return with_word(image, kind, one, (one.word & ~(0xfffu << 10)) | low / unit << 10);
}

bool is_add_or_subtract(std::uint32_t word) { // of a number
    return (word & 0x1f000000) == 0x11000000;
}
bool is_move_of_number(std::uint32_t word) { // movn, movz, movk
    return (word & 0x1f800000) == 0x12800000;
}
bool is_logical_of_registers(std::uint32_t word) {
    return (word & 0x1f000000) == 0x0a000000;
}
bool is_add_of_registers(std::uint32_t word) {
    return (word & 0x1f000000) == 0x0b000000;
}
bool is_load_or_store(std::uint32_t word) { // unsigned offset
    return (word & 0x3b000000) == 0x39000000;
}

} // namespace

std::optional<Mutant> generate_arm64(const RawImage& image, Kind kind, const Instruction& one, Random& random) {
    const std::uint32_t word = one.word;
    switch (kind) {
    case Kind::opcode:
        // add and sub, and and bic, orr and orn, eor and eon; none of an address that an adrp began.
        if ((is_add_or_subtract(word) || is_add_of_registers(word)) && one.page_of.value == 0)
            return with_word(image, kind, one, word ^ 1u << 30);
        if (is_logical_of_registers(word))
            return with_word(image, kind, one, word ^ 1u << 21);
        return std::nullopt;
    case Kind::register_operand:
        if (is_logical_of_registers(word) || is_add_of_registers(word) || is_move_of_number(word))
            return with_word(image, kind, one, word ^ 1u << random.below(5));
        return std::nullopt;
    case Kind::immediate:
        if (is_move_of_number(word))
            return with_word(image, kind, one, word ^ 1u << (5 + random.below(16)));
        if (is_add_or_subtract(word) && one.page_of.value == 0)
            return with_word(image, kind, one, word ^ 1u << (10 + random.below(12)));
        return std::nullopt;
    case Kind::displacement:
        if (is_load_or_store(word) && one.page_of.value == 0)
            return with_word(image, kind, one, word ^ 1u << (10 + random.below(12)));
        return std::nullopt;
    case Kind::condition:
        if (one.flow != Flow::conditional)
            return std::nullopt;
        return with_word(image, kind, one, word ^ ((word & 0xff000010) == 0x54000000 ? 1u : 1u << 24));
    case Kind::branch_target: {
        const RvaRange& stretch = *image.stretch_at(one.at);
        if ((one.flow != Flow::jump && one.flow != Flow::conditional) || !stretch.contains(*one.target))
            return std::nullopt;
        const auto inside = image.instructions_in(stretch);
        return redirected_branch(image, kind, one, inside[random.below(inside.size())].at);
    }
    case Kind::call_target:
        if (one.flow == Flow::none || image.stretch_at(one.at)->contains(*one.target))
            return std::nullopt;
        if (const auto to = another_target(image, kind, one, random))
            return redirected_branch(image, kind, one, *to);
        return std::nullopt;
    case Kind::data_reference:
    case Kind::string_reference:
        if (one.flow != Flow::none || !one.target || (kind == Kind::string_reference && one.access != 0))
            return std::nullopt;
        if (const auto to = another_target(image, kind, one, random))
            return redirected_low(image, kind, one, *to);
        return std::nullopt;
    default:
        return std::nullopt;
    }
}

} // namespace suture::test
