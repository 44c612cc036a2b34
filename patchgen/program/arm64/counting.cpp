#include "patchgen/program/arm64/counting.hpp"

#include "patchgen/program/arm64/followed_code.hpp"

#include <limits>

namespace suture::program::arm64 {

namespace {

class Counter {
  public:
    /// Less than `before` bytes in front of the address and `size` behind it are what lies there.
    Counter(const FollowedCode& code, std::int64_t before, std::int64_t size)
        : code_(code), before_(before), size_(size) {}

    bool step(std::uint32_t index, Holders& holders) const {
        const std::uint32_t word = code_.word_at(index);
        const Instruction made = instruction_of(word);
        return made.accesses ? access(word, made, holders) : compute(word, made, holders.registers);
    }

  private:
    bool within(std::int64_t distance) const { return distance > -before_ && distance < size_; }

    bool access(std::uint32_t word, const Instruction& made, Holders& holders) const {
        std::uint32_t& held = holders.registers;
        const Operand operand = operand_of(word, made);
        const std::uint32_t base = bit_of(made.rn);
        if (operand.by_register && (held & (base | bit_of(made.rm))) != 0)
            return true;
        if ((held & base) != 0 &&
            (operand.distance < 0 || operand.distance > size_ - operand.size || !within(operand.moves)))
            return true;
        const bool on_stack = operand.is_whole && (made.rn == kNone || made.rn == kFrame) && operand.moves == 0;
        const bool stores = (made.written & ~base) == 0;
        held &= ~(made.written & ~base);
        for (std::uint32_t i = 0; on_stack && i < (operand.is_pair ? 2u : 1u); ++i) {
            const std::uint32_t reg = bit_of(i == 0 ? field_of(word, 4, 0) : field_of(word, 14, 10));
            const std::int64_t place = operand.distance + 8 * i;
            if (stores && (held & reg) != 0 && !holders.has(made.rn, place))
                holders.on_stack.emplace_back(made.rn, place);
            if (!stores && holders.has(made.rn, place))
                held |= reg;
        }
        return false;
    }

    bool compute(std::uint32_t word, const Instruction& made, std::uint32_t& held) const {
        const std::uint32_t rn = bit_of(made.rn) & held;
        const std::uint32_t rm = bit_of(made.rm) & held;
        const std::uint32_t rd = bit_of(made.rd);
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
        const bool by_number = field_of(word, 28, 24) == 0x11;
        const bool subtracts = field_of(word, 28, 24) == 0x0b && field_of(word, 30, 30) != 0;
        if ((made.reads & held) == 0 || made.written == 0 || field_of(word, 31, 31) == 0 || (subtracts && rm != 0))
            return set(false);
        // Whatever else is made of the address may be anything.
        const std::int64_t number = std::int64_t{field_of(word, 21, 10)} << (field_of(word, 22, 22) != 0 ? 12 : 0);
        return !by_number || !within(field_of(word, 30, 30) != 0 ? -number : number) || set(true);
    }

    const FollowedCode& code_;
    std::int64_t before_;
    std::int64_t size_;
};

bool leaves(const FollowedCode& code, const Counter& counter, std::span<const std::uint32_t> cases,
            std::uint32_t instruction) {
    const std::uint32_t first = instruction / kWord;
    const Instruction made = instruction_of(code.word_at(first));
    if (made.accesses)
        return false;
    return may_count(
        code.count(), [&](std::uint32_t index) { return code.ways_from(index); }, FollowedCode::indices_of(cases),
        first, bit_of(made.rd), [&](std::uint32_t index, Holders& holders) { return counter.step(index, holders); });
}

} // namespace

bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> cases, std::uint32_t instruction,
                 std::uint32_t size) {
    const FollowedCode code(stretch);
    return leaves(code, Counter(code, size, size), cases, instruction);
}

bool may_count_back(const Stretch& stretch, std::span<const std::uint32_t> cases, std::uint32_t instruction) {
    const FollowedCode code(stretch);
    return leaves(code, Counter(code, 1, std::numeric_limits<std::int64_t>::max()), cases, instruction);
}

} // namespace suture::program::arm64
