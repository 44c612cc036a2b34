#include "patchgen/program/arm64/followed_code.hpp"

namespace suture::program::arm64 {

namespace {

constexpr std::int64_t extended(std::uint32_t value, int width) {
    const std::int64_t sign = std::int64_t{1} << (width - 1);
    return (std::int64_t{value} ^ sign) - sign;
}

} // namespace

Operand operand_of(std::uint32_t word, const Instruction& made) {
    Operand operand;
    const bool simd = field_of(word, 26, 26) != 0;
    const std::uint32_t kind = field_of(word, 29, 27);
    if (kind == 5) {
        const std::uint32_t opcode = field_of(word, 31, 30);
        const std::uint32_t each = simd ? 4u << opcode : opcode == 2 ? 8 : 4;
        const std::int64_t value = extended(field_of(word, 21, 15), 7) * each;
        const std::uint32_t mode = field_of(word, 24, 23);
        operand = {.distance = mode == 1 ? 0 : value,
                   .size = 2 * each,
                   .moves = mode == 1 || mode == 3 ? value : 0,
                   .is_pair = true,
                   .is_whole = !simd && each == 8};
    } else if (kind == 7) {
        const std::uint32_t last = field_of(word, 11, 10);
        operand.size = made.access;
        operand.is_whole = !simd && made.access == 8;
        if (field_of(word, 24, 24) != 0) {
            operand.distance = made.value;
        } else if (field_of(word, 21, 21) == 0) {
            const std::int64_t value = extended(field_of(word, 20, 12), 9);
            operand.distance = last == 1 ? 0 : value;
            operand.moves = last == 1 || last == 3 ? value : 0;
        } else {
            operand.by_register = last == 2;
            operand.is_whole = false;
        }
    } else {
        operand.by_register = (made.written & bit_of(made.rn)) != 0;
    }
    return operand;
}

Ways FollowedCode::ways_from(std::uint32_t index) const {
    const Instruction made = instruction_of(word_at(index));
    Ways ways;
    ways.goes_on = !ends_flow(made.operation) && made.operation != Operation::invalid;
    ways.by_table = made.operation == Operation::jump_register;
    const std::int64_t to = std::int64_t{index} + made.value / kWord;
    if ((made.operation == Operation::branch || made.operation == Operation::conditional) && to >= 0 &&
        to < static_cast<std::int64_t>(count()))
        ways.jump = static_cast<std::uint32_t>(to);
    return ways;
}

std::vector<std::uint32_t> FollowedCode::indices_of(std::span<const std::uint32_t> offsets) {
    std::vector<std::uint32_t> indices;
    for (const std::uint32_t offset : offsets)
        indices.push_back(offset / kWord);
    return indices;
}

} // namespace suture::program::arm64
