#include "patchgen/program/arm64/counting.hpp"

#include "patchgen/program/arm64/instruction.hpp"
#include "patchgen/program/counting.hpp"

namespace suture::program::arm64 {

namespace {

constexpr std::uint8_t kFrame = 29;
/// X0 and X1, where calls leave their results.
constexpr std::uint32_t kResults = 1u << 0 | 1u << 1;

constexpr std::uint32_t bits(std::uint32_t word, int high, int low) {
    return word >> low & ((1u << (high - low + 1)) - 1);
}

constexpr std::uint32_t mask_of(std::uint32_t reg) {
    return reg == kNone ? 0 : 1u << reg;
}

constexpr std::int64_t extended(std::uint32_t value, int width) {
    const std::int64_t sign = std::int64_t{1} << (width - 1);
    return (std::int64_t{value} ^ sign) - sign;
}

/// Where an instruction accesses memory: "Loads and stores" of the Arm Architecture Reference Manual for A-profile.
struct Operand {
    std::int64_t distance = 0; ///< from rn
    std::uint32_t size = 1;    ///< bytes
    bool by_register = false;  ///< another register is added
    std::int64_t moves = 0;    ///< what rn is left with more
    bool is_pair = false;
    bool is_whole = false; ///< registers of 8 bytes go to the stack and come back
};

Operand operand_of(std::uint32_t word, const Instruction& made) {
    Operand operand;
    const bool simd = bits(word, 26, 26) != 0;
    const std::uint32_t kind = bits(word, 29, 27);
    if (kind == 5) {
        const std::uint32_t opcode = bits(word, 31, 30);
        const std::uint32_t each = simd ? 4u << opcode : opcode == 2 ? 8 : 4;
        const std::int64_t value = extended(bits(word, 21, 15), 7) * each;
        const std::uint32_t mode = bits(word, 24, 23);
        operand = {.distance = mode == 1 ? 0 : value,
                   .size = 2 * each,
                   .moves = mode == 1 || mode == 3 ? value : 0,
                   .is_pair = true,
                   .is_whole = !simd && each == 8};
    } else if (kind == 7) {
        const std::uint32_t last = bits(word, 11, 10);
        operand.size = made.access;
        operand.is_whole = !simd && made.access == 8;
        if (bits(word, 24, 24) != 0) {
            operand.distance = made.value;
        } else if (bits(word, 21, 21) == 0) {
            const std::int64_t value = extended(bits(word, 20, 12), 9);
            operand.distance = last == 1 ? 0 : value;
            operand.moves = last == 1 || last == 3 ? value : 0;
        } else {
            operand.by_register = last == 2;
            operand.is_whole = false;
        }
    } else {
        operand.by_register = (made.written & mask_of(made.rn)) != 0;
    }
    return operand;
}

class Counter {
  public:
    Counter(const Stretch& stretch, std::uint32_t size) : stretch_(stretch), size_(size) {}

    std::uint32_t word_at(std::uint32_t index) const {
        return stretch_.bytes.read<std::uint32_t>(std::size_t{index} * kWord).value_or(0);
    }

    std::size_t count() const { return stretch_.bytes.size() / kWord; }

    Ways ways_from(std::uint32_t index) const {
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

    bool step(std::uint32_t index, Holders& holders) const {
        const std::uint32_t word = word_at(index);
        const Instruction made = instruction_of(word);
        return made.accesses ? access(word, made, holders) : compute(word, made, holders.registers);
    }

  private:
    bool within(std::int64_t distance) const { return distance > -std::int64_t{size_} && distance < size_; }

    bool access(std::uint32_t word, const Instruction& made, Holders& holders) const {
        std::uint32_t& held = holders.registers;
        const Operand operand = operand_of(word, made);
        const std::uint32_t base = mask_of(made.rn);
        if (operand.by_register && (held & (base | mask_of(made.rm))) != 0)
            return true;
        if ((held & base) != 0 &&
            (operand.distance < 0 || operand.distance + operand.size > size_ || !within(operand.moves)))
            return true;
        const bool on_stack = operand.is_whole && (made.rn == kNone || made.rn == kFrame) && operand.moves == 0;
        const bool stores = (made.written & ~base) == 0;
        held &= ~(made.written & ~base);
        for (std::uint32_t i = 0; on_stack && i < (operand.is_pair ? 2u : 1u); ++i) {
            const std::uint32_t reg = mask_of(i == 0 ? bits(word, 4, 0) : bits(word, 14, 10));
            const std::int64_t place = operand.distance + 8 * i;
            if (stores && (held & reg) != 0 && !holders.has(made.rn, place))
                holders.on_stack.emplace_back(made.rn, place);
            if (!stores && holders.has(made.rn, place))
                held |= reg;
        }
        return false;
    }

    bool compute(std::uint32_t word, const Instruction& made, std::uint32_t& held) const {
        const std::uint32_t rn = mask_of(made.rn) & held;
        const std::uint32_t rm = mask_of(made.rm) & held;
        const std::uint32_t rd = mask_of(made.rd);
        const auto set = [&](bool holds) {
            held = (held & ~made.written) | (holds ? rd : 0);
            return false;
        };
        switch (made.operation) {
        case Operation::call:
        case Operation::call_register:
            held &= ~kResults;
            return false;
        case Operation::copy:
            return set(rn != 0);
        case Operation::choose:
            return set((rn | rm) != 0);
        case Operation::extend:
        case Operation::mask:
            return set(false);
        case Operation::add_register:
            return (rn | rm) != 0 || set(false);
        default:
            break;
        }
        const bool by_number = bits(word, 28, 24) == 0x11;
        const bool subtracts = bits(word, 28, 24) == 0x0b && bits(word, 30, 30) != 0;
        if ((made.reads & held) == 0 || made.written == 0 || bits(word, 31, 31) == 0 || (subtracts && rm != 0))
            return set(false);
        // Whatever else is made of the address may be anything.
        return !by_number || !within(made.value) || set(true);
    }

    const Stretch& stretch_;
    std::int64_t size_;
};

} // namespace

bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> cases, std::uint32_t instruction,
                 std::uint32_t size) {
    const Counter counter(stretch, size);
    const std::uint32_t first = instruction / kWord;
    const Instruction made = instruction_of(counter.word_at(first));
    if (made.accesses)
        return false;
    std::vector<std::uint32_t> labels;
    for (const std::uint32_t offset : cases)
        labels.push_back(offset / kWord);
    return may_count(
        counter.count(), [&](std::uint32_t index) { return counter.ways_from(index); }, labels, first, mask_of(made.rd),
        [&](std::uint32_t index, Holders& holders) { return counter.step(index, holders); });
}

} // namespace suture::program::arm64
