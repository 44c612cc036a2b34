#include "patchgen/program/x64/reach_back.hpp"

#include "patchgen/program/x64/counting.hpp"
#include "patchgen/program/x64/followed_code.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace suture::program::x64 {

namespace {

using Low = std::int32_t;

/// Number of a general register; of none where an operand has none.
constexpr std::size_t kNoRegister = 31;

std::size_t number_of(std::uint32_t bit) {
    return bit == 0 ? kNoRegister : static_cast<std::size_t>(std::countr_zero(bit));
}

class Follower {
  public:
    Follower(const FollowedCode& code, std::span<const std::uint32_t> takers, std::span<const CaseIndices> cases)
        : code_(code), takers_(takers), cases_(cases) {}

    std::size_t jump_register(std::uint32_t index) const {
        const auto decoded = code_.decode(index);
        return decoded ? number_of(bit_of(decoded->operands[0])) : kNoRegister;
    }

    void step(std::uint32_t index, Lows& now, BackTrace& trace) const {
        const auto decoded = code_.decode(index);
        if (!decoded || is_fill_instruction(decoded->instruction))
            return;
        const auto& [instruction, operands] = *decoded;
        for (std::size_t i = 0; i < instruction.operand_count; ++i)
            if (is_memory(operands[i]) && operands[i].mem.type != ZYDIS_MEMOP_TYPE_AGEN)
                if (const Low low = accessed(operands[i].mem, now); low != Lows::kNone)
                    trace.access(low);
        const std::array<std::uint16_t, Lows::kRegisters> before = now.of_switch;
        take(instruction, operands, now, trace);
        of_switches(index, instruction, operands, before, now);
        if (std::ranges::binary_search(takers_, index)) {
            const std::size_t dst = number_of(bit_of(operands[0]));
            now.clear(dst);
            if (dst != kNoRegister)
                now.address[dst] = 0;
        }
    }

  private:
    /// Where an operand is, from the address. An index that is not known to be negative makes up for what is
    /// subtracted beside it.
    static Low place_of(const ZydisDecodedOperandMem& mem, const Lows& now) {
        std::size_t base = number_of(bit_of(mem.base));
        std::size_t index = number_of(bit_of(mem.index));
        std::int64_t scale = mem.scale;
        if (now.address[base] == Lows::kNone && mem.scale == 1) {
            std::swap(base, index);
            scale = 1;
        }
        const Low low = now.address[base];
        if (low == Lows::kNone || index == kNoRegister)
            return Lows::sum(low, mem.disp.value);
        const Low number = now.number[index];
        const std::int64_t more = number == Lows::kNone ? std::max<std::int64_t>(mem.disp.value, 0) : mem.disp.value;
        return Lows::sum(Lows::sum_of_lows(low, number, scale), more);
    }

    /// A distance between two addresses is added to an address, too: that one counts.
    static Low accessed(const ZydisDecodedOperandMem& mem, const Lows& now) {
        const std::size_t base = number_of(bit_of(mem.base));
        const std::size_t index = number_of(bit_of(mem.index));
        const bool may_be_distance = index != kNoRegister && base != kNoRegister &&
                                     (now.address[base] == Lows::kOpen || now.address[index] == Lows::kOpen);
        return may_be_distance ? Lows::kNone : place_of(mem, now);
    }

    static Low negated(Low number) {
        return number == Lows::kNone || number == Lows::kOpen ? Lows::kOpen : Lows::kNone;
    }

    void take(const ZydisDecodedInstruction& instruction, const DecodedOperands& operands, Lows& now,
              BackTrace& trace) const {
        const std::size_t dst = number_of(bit_of(operands[0]));
        const std::size_t src = number_of(instruction.operand_count_visible > 1 ? bit_of(operands[1]) : 0);
        const bool by_number =
            instruction.operand_count_visible > 1 && operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        const std::int64_t number = by_number ? operands[1].imm.value.s : 0;
        const bool whole = operands[0].size == 64;
        const auto set = [&](Low address, Low low_number) {
            if (dst == kNoRegister)
                return;
            // What 32 bits leave in a register is not negative.
            now.address[dst] = whole ? address : Lows::kNone;
            now.number[dst] = whole && low_number < 0 ? low_number : Lows::kNone;
            if (now.address[dst] != Lows::kNone)
                trace.make(now.address[dst]);
        };
        switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_CALL:
            for (const std::size_t reg : {0u, 2u})
                now.clear(reg);
            return;
        case ZYDIS_MNEMONIC_LEA:
            set(place_of(operands[1].mem, now), made_number(operands[1].mem, now));
            return;
        case ZYDIS_MNEMONIC_MOV:
            if (const auto place = stack_place(operands[0]))
                now.store(place->first, place->second, src != kNoRegister ? now.address[src] : Lows::kNone);
            if (const auto place = stack_place(operands[1]); dst != kNoRegister && place)
                set(now.load(place->first, place->second), Lows::kNone);
            else if (by_number)
                set(Lows::kNone, number < 0 ? Lows::sum(0, number) : Lows::kNone);
            else
                set(now.address[src], now.number[src]);
            return;
        case ZYDIS_MNEMONIC_XCHG:
            if (dst != kNoRegister && src != kNoRegister) {
                std::swap(now.address[dst], now.address[src]);
                std::swap(now.number[dst], now.number[src]);
            }
            return;
        case ZYDIS_MNEMONIC_INC:
        case ZYDIS_MNEMONIC_DEC: {
            const int by = instruction.mnemonic == ZYDIS_MNEMONIC_INC ? 1 : -1;
            set(Lows::sum(now.address[dst], by), Lows::sum(now.number[dst], by));
            return;
        }
        case ZYDIS_MNEMONIC_ADD:
            if (by_number)
                set(Lows::sum(now.address[dst], number), Lows::sum(now.number[dst], number));
            else if (now.address[dst] != Lows::kNone)
                set(Lows::sum_of_lows(now.address[dst], now.number[src], 1), Lows::kNone);
            else
                set(Lows::sum_of_lows(now.address[src], now.number[dst], 1), Lows::kNone);
            return;
        case ZYDIS_MNEMONIC_SUB:
            if (by_number)
                set(Lows::sum(now.address[dst], -number), Lows::sum(now.number[dst], -number));
            else
                // Of two addresses it makes a distance, of others what is as far in front as may be.
                set(now.address[dst] != Lows::kNone && now.address[src] == Lows::kNone ? Lows::kOpen : Lows::kNone,
                    Lows::kNone);
            return;
        case ZYDIS_MNEMONIC_NEG:
        case ZYDIS_MNEMONIC_NOT:
            set(Lows::kNone, negated(now.number[dst]));
            return;
        case ZYDIS_MNEMONIC_OR:
            if (by_number && number < 0) {
                set(Lows::kNone, Lows::sum(0, number));
                return;
            }
            break;
        default:
            if (instruction.meta.category == ZYDIS_CATEGORY_CMOV) {
                const auto place = stack_place(operands[1]);
                const Low address = place ? now.load(place->first, place->second) : now.address[src];
                set(Lows::one_of(now.address[dst], address), std::min(now.number[dst], now.number[src]));
                return;
            }
            break;
        }
        const bool was_number = dst != kNoRegister && now.number[dst] != Lows::kNone && reads(operands[0]);
        for (std::size_t i = 0; i < instruction.operand_count; ++i)
            if (writes(operands[i]) && bit_of(operands[i]) != 0)
                now.clear(number_of(bit_of(operands[i])));
        // Multiplied or shifted.
        if (was_number && whole && writes(operands[0]) && instruction.mnemonic != ZYDIS_MNEMONIC_XOR &&
            instruction.mnemonic != ZYDIS_MNEMONIC_AND)
            now.number[dst] = Lows::kOpen;
    }

    /// A table, and what its entries are added to.
    void of_switches(std::uint32_t index, const ZydisDecodedInstruction& instruction, const DecodedOperands& operands,
                     const std::array<std::uint16_t, Lows::kRegisters>& before, Lows& now) const {
        const std::size_t dst = number_of(bit_of(operands[0]));
        const std::size_t src = number_of(instruction.operand_count_visible > 1 ? bit_of(operands[1]) : 0);
        for (std::size_t i = 0; i < operands.size() && i < instruction.operand_count; ++i)
            if (writes(operands[i]) && bit_of(operands[i]) != 0)
                now.of_switch[number_of(bit_of(operands[i]))] = Lows::kAnySwitch;
        if (dst == kNoRegister || !writes(operands[0]))
            return;
        if (instruction.mnemonic == ZYDIS_MNEMONIC_MOV)
            now.of_switch[dst] = src != kNoRegister ? before[src] : Lows::kAnySwitch;
        if (instruction.mnemonic == ZYDIS_MNEMONIC_ADD && src != kNoRegister)
            now.of_switch[dst] = Lows::either(before[dst], before[src]);
        bool is_taken = false; // by one of them
        for (std::size_t i = 0; i < cases_.size(); ++i)
            if (std::ranges::binary_search(cases_[i].takers, index))
                now.of_switch[dst] = std::exchange(is_taken, true) ? Lows::kAnySwitch : static_cast<std::uint16_t>(i);
    }

    static Low made_number(const ZydisDecodedOperandMem& mem, const Lows& now) {
        const std::size_t base = number_of(bit_of(mem.base));
        const std::size_t index = number_of(bit_of(mem.index));
        if (now.number[base] == Lows::kNone && now.number[index] == Lows::kNone)
            return Lows::kNone;
        Low low = now.number[base] == Lows::kNone ? 0 : now.number[base];
        low = Lows::sum_of_lows(low, now.number[index], mem.scale);
        return Lows::sum(low, mem.disp.value);
    }

    const FollowedCode& code_;
    std::span<const std::uint32_t> takers_; ///< indices
    std::span<const CaseIndices> cases_;
};

} // namespace

ReachBack reach_back(const Stretch& stretch, std::span<const std::uint32_t> instructions, std::span<const Cases> cases,
                     std::span<const std::uint32_t> takers) {
    std::vector<std::uint32_t> labels;
    for (const Cases& one : cases)
        labels.insert(labels.end(), one.labels.begin(), one.labels.end());
    if (std::ranges::none_of(takers,
                             [&](std::uint32_t taker) { return may_count_back(stretch, instructions, labels, taker); }))
        return {};
    const FollowedCode code(stretch, instructions);
    const std::vector<std::uint32_t> indices = code.indices_of(takers);
    BackCode followed{.count = code.count(), .ways = {}, .jump_register = {}, .cases = {}, .takers = indices};
    for (const Cases& one : cases)
        followed.cases.push_back({code.indices_of(one.takers), code.indices_of(one.labels)});
    const Follower follower(code, indices, followed.cases);
    followed.ways = [&](std::uint32_t index) { return code.ways_from(index); };
    followed.jump_register = [&](std::uint32_t index) { return follower.jump_register(index); };
    return program::reach_back(
        followed, [&](std::uint32_t index, Lows& now, BackTrace& trace) { follower.step(index, now, trace); });
}

} // namespace suture::program::x64
