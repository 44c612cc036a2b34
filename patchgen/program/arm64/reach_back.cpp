#include "patchgen/program/arm64/reach_back.hpp"

#include "patchgen/program/arm64/counting.hpp"
#include "patchgen/program/arm64/followed_code.hpp"

#include <algorithm>
#include <utility>

namespace suture::program::arm64 {

namespace {

using Low = std::int32_t;

/// Fields of "Data Processing" in the Arm Architecture Reference Manual for A-profile.
bool is_sum_with_number(std::uint32_t word) {
    return field_of(word, 28, 23) == 0x22;
}
bool is_sum(std::uint32_t word) { // of registers, shifted or extended
    return field_of(word, 28, 24) == 0x0b;
}
bool is_or_not(std::uint32_t word) { // of registers: ORN, which copies the inverse
    return field_of(word, 30, 24) == 0x2a && field_of(word, 21, 21) != 0;
}
bool subtracts(std::uint32_t word) {
    return field_of(word, 30, 30) != 0;
}

class Follower {
  public:
    Follower(const FollowedCode& code, std::span<const std::uint32_t> takers, std::span<const CaseIndices> cases)
        : code_(code), takers_(takers), cases_(cases) {}

    std::size_t jump_register(std::uint32_t index) const { return instruction_of(code_.word_at(index)).rn; }

    void step(std::uint32_t index, Lows& now, BackTrace& trace) const {
        const std::uint32_t word = code_.word_at(index);
        const Instruction made = instruction_of(word);
        const std::array<std::uint16_t, Lows::kRegisters> before = now.of_switch;
        if (made.accesses)
            access(word, made, now, trace);
        else
            compute(word, made, now, trace);
        of_switches(index, made, before, now);
        if (std::ranges::binary_search(takers_, index) && made.rd != kNone) {
            now.clear(made.rd);
            now.address[made.rd] = 0;
        }
    }

  private:
    static void clear(std::uint32_t written, Lows& now) {
        for (std::uint8_t reg = 0; reg < kNone; ++reg)
            if ((written >> reg & 1) != 0)
                now.clear(reg);
    }

    /// A table, and what its entries are added to.
    void of_switches(std::uint32_t index, const Instruction& made,
                     const std::array<std::uint16_t, Lows::kRegisters>& before, Lows& now) const {
        for (std::uint8_t reg = 0; reg < kNone; ++reg)
            if ((made.written >> reg & 1) != 0)
                now.of_switch[reg] = Lows::kAnySwitch;
        if (made.rd == kNone || (made.written & bit_of(made.rd)) == 0)
            return;
        if (made.operation == Operation::copy)
            now.of_switch[made.rd] = before[made.rn];
        if (made.operation == Operation::add_register)
            now.of_switch[made.rd] = Lows::either(before[made.rn], before[made.rm]);
        bool is_taken = false; // by one of them
        for (std::size_t i = 0; i < cases_.size(); ++i)
            if (std::ranges::binary_search(cases_[i].takers, index))
                now.of_switch[made.rd] =
                    std::exchange(is_taken, true) ? Lows::kAnySwitch : static_cast<std::uint16_t>(i);
    }

    /// An index that is not known to be negative is taken for positive. A distance between two addresses that is added
    /// to an address is none of this one.
    static Low indexed(const Instruction& made, std::uint32_t word, const Lows& now) {
        const bool by_base = now.address[made.rn] != Lows::kNone;
        const std::uint8_t base = by_base ? made.rn : made.rm;
        const std::uint8_t index = by_base ? made.rm : made.rn;
        if (now.address[base] == Lows::kOpen)
            return Lows::kNone;
        const std::int64_t scale = field_of(word, 12, 12) != 0 && by_base ? std::max<std::int64_t>(made.access, 1) : 1;
        return Lows::sum_of_lows(now.address[base], now.number[index], scale);
    }

    static void access(std::uint32_t word, const Instruction& made, Lows& now, BackTrace& trace) {
        const Operand operand = operand_of(word, made);
        const Low low = operand.by_register
                            ? indexed(made, word, now)
                            : Lows::sum(made.rn != kNone ? now.address[made.rn] : Lows::kNone, operand.distance);
        if (low != Lows::kNone)
            trace.access(low);
        const std::uint32_t base = bit_of(made.rn);
        const bool on_stack = operand.is_whole && (made.rn == kNone || made.rn == kFrame) && operand.moves == 0;
        const bool stores = (made.written & ~base) == 0;
        const Low moved = made.rn != kNone ? Lows::sum(now.address[made.rn], operand.moves) : Lows::kNone;
        clear(made.written & ~base, now);
        if (made.rn != kNone && (made.written & base) != 0)
            now.address[made.rn] = moved;
        for (std::uint32_t i = 0; on_stack && i < (operand.is_pair ? 2u : 1u); ++i) {
            const std::uint32_t reg = i == 0 ? field_of(word, 4, 0) : field_of(word, 14, 10);
            const std::int64_t place = operand.distance + 8 * i;
            if (stores)
                now.store(made.rn, place, now.address[reg]);
            else if (reg != kNone)
                now.address[reg] = now.load(made.rn, place);
        }
    }

    static void compute(std::uint32_t word, const Instruction& made, Lows& now, BackTrace& trace) {
        const std::uint32_t rd = field_of(word, 4, 0);
        const std::uint32_t rn = field_of(word, 9, 5);
        const std::uint32_t rm = field_of(word, 20, 16);
        const bool whole = field_of(word, 31, 31) != 0;
        // What 32 bits leave in a register is not negative.
        const auto set = [&](Low address, Low number) {
            clear(made.written, now);
            if ((made.written & bit_of(rd)) == 0)
                return;
            now.address[rd] = whole ? address : Lows::kNone;
            now.number[rd] = whole && number < 0 ? number : Lows::kNone;
            if (now.address[rd] != Lows::kNone)
                trace.make(now.address[rd]);
        };
        switch (made.operation) {
        case Operation::call:
        case Operation::call_register:
            clear(kResults, now);
            return;
        case Operation::choose:
            return set(Lows::one_of(now.address[rn], now.address[rm]), std::min(now.number[rn], now.number[rm]));
        case Operation::extend:
            return set(Lows::kNone, Lows::kNone);
        case Operation::copy:
            if (made.rn != kNone)
                return set(now.address[made.rn], now.number[made.rn]);
            break;
        default:
            break;
        }
        if (is_sum_with_number(word)) {
            const std::int64_t value = std::int64_t{field_of(word, 21, 10)} << (field_of(word, 22, 22) != 0 ? 12 : 0);
            const std::int64_t by = subtracts(word) ? -value : value;
            return set(Lows::sum(now.address[rn], by), Lows::sum(now.number[rn], by));
        }
        if (is_sum(word))
            return subtracts(word) ? subtract(rn, rm, now, set) : add(word, rn, rm, now, set);
        if (field_of(word, 30, 23) == 0x25) { // MOVN
            const std::int64_t value = std::int64_t{field_of(word, 20, 5)} << 16 * field_of(word, 22, 21);
            return set(Lows::kNone, Lows::sum(0, ~value));
        }
        if (is_or_not(word) && rn == kNone)
            return set(Lows::kNone, negated(now.number[rm]));
        // Shifted or multiplied.
        set(Lows::kNone,
            rn != kNone && now.number[rn] != Lows::kNone && (made.reads & bit_of(rn)) != 0 ? Lows::kOpen : Lows::kNone);
    }

    static Low negated(Low number) {
        return number == Lows::kNone || number == Lows::kOpen ? Lows::kOpen : Lows::kNone;
    }

    template <class Set>
    static void add(std::uint32_t word, std::uint32_t rn, std::uint32_t rm, const Lows& now, const Set& set) {
        const std::int64_t scale =
            std::int64_t{1} << (field_of(word, 21, 21) != 0 ? field_of(word, 12, 10) : field_of(word, 15, 10) & 31);
        if (now.address[rn] != Lows::kNone)
            return set(Lows::sum_of_lows(now.address[rn], now.number[rm], scale), Lows::kNone);
        set(scale == 1 ? Lows::sum_of_lows(now.address[rm], now.number[rn], 1) : Lows::kNone, Lows::kNone);
    }

    /// Of two addresses that makes a distance, of others what is as far in front as may be.
    template <class Set>
    static void subtract(std::uint32_t rn, std::uint32_t rm, const Lows& now, const Set& set) {
        if (rn == kNone)
            return set(Lows::kNone, negated(now.number[rm]));
        const bool is_distance = now.address[rn] == Lows::kNone || now.address[rm] != Lows::kNone;
        set(is_distance ? Lows::kNone : Lows::kOpen, Lows::kNone);
    }

    const FollowedCode& code_;
    std::span<const std::uint32_t> takers_; ///< indices
    std::span<const CaseIndices> cases_;
};

} // namespace

ReachBack reach_back(const Stretch& stretch, std::span<const Cases> cases, std::span<const std::uint32_t> takers) {
    std::vector<std::uint32_t> labels;
    for (const Cases& one : cases)
        labels.insert(labels.end(), one.labels.begin(), one.labels.end());
    if (std::ranges::none_of(takers, [&](std::uint32_t taker) { return may_count_back(stretch, labels, taker); }))
        return {};
    const FollowedCode code(stretch);
    const std::vector<std::uint32_t> indices = FollowedCode::indices_of(takers);
    BackCode followed{.count = code.count(), .ways = {}, .jump_register = {}, .cases = {}, .takers = indices};
    for (const Cases& one : cases)
        followed.cases.push_back({FollowedCode::indices_of(one.takers), FollowedCode::indices_of(one.labels)});
    const Follower follower(code, indices, followed.cases);
    followed.ways = [&](std::uint32_t index) { return code.ways_from(index); };
    followed.jump_register = [&](std::uint32_t index) { return follower.jump_register(index); };
    return program::reach_back(
        followed, [&](std::uint32_t index, Lows& now, BackTrace& trace) { follower.step(index, now, trace); });
}

} // namespace suture::program::arm64
