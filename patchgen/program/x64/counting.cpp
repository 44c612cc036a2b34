#include "patchgen/program/x64/counting.hpp"

#include "patchgen/program/x64/followed_code.hpp"

#include <limits>
#include <ranges>

namespace suture::program::x64 {

namespace {

class Counter {
  public:
    /// Less than `before` bytes in front of the address and `size` behind it are what lies there.
    Counter(const FollowedCode& code, std::int64_t before, std::int64_t size)
        : code_(code), before_(before), size_(size) {}

    bool step(std::uint32_t index, Holders& holders) const {
        const auto decoded = code_.decode(index);
        if (!decoded || is_fill_instruction(decoded->instruction))
            return false;
        const auto& [instruction, operands] = *decoded;
        for (std::size_t i = 0; i < instruction.operand_count; ++i)
            if (is_memory(operands[i]) && counts_in(operands[i], i >= instruction.operand_count_visible, holders))
                return true;
        return take(instruction, operands, holders);
    }

  private:
    bool within(std::int64_t distance) const { return distance > -before_ && distance < size_; }

    /// An operand whose place is the address with something added to it.
    bool counts_in(const ZydisDecodedOperand& operand, bool hidden, const Holders& holders) const {
        const std::uint32_t base = bit_of(operand.mem.base);
        const std::uint32_t index = bit_of(operand.mem.index);
        if (((base | index) & holders.registers) == 0)
            return false;
        if (hidden) // of string instructions
            return base != 1u << kStackPointer;
        if (base != 0 && index != 0)
            return true;
        const std::int64_t distance = operand.mem.disp.value;
        const bool is_address = operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN;
        return operand.mem.scale > 1 || distance < 0 || (is_address && !within(distance)) ||
               (!is_address && distance > size_ - operand.size / 8);
    }

    bool take(const ZydisDecodedInstruction& instruction, const DecodedOperands& operands, Holders& holders) const {
        std::uint32_t& held = holders.registers;
        const std::uint32_t dst = bit_of(operands[0]);
        const std::uint32_t src = instruction.operand_count_visible > 1 ? bit_of(operands[1]) : 0;
        const auto set = [&](std::uint32_t reg, bool holds) { held = holds ? held | reg : held & ~reg; };
        const bool whole = operands[0].size == 64;
        switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_CALL:
            held &= ~kResults;
            return false;
        case ZYDIS_MNEMONIC_LEA:
            set(dst, whole && (bit_of(operands[1].mem.base) & held) != 0);
            return false;
        case ZYDIS_MNEMONIC_MOV:
            if (const auto place = stack_place(operands[0]);
                place && (src & held) != 0 && !holders.has(place->first, place->second))
                holders.on_stack.push_back(*place);
            if (dst == 0)
                return false;
            if (const auto place = stack_place(operands[1]))
                set(dst, holders.has(place->first, place->second));
            else
                set(dst, whole && (src & held) != 0);
            return false;
        case ZYDIS_MNEMONIC_XCHG:
            if (dst != 0 && src != 0) {
                const bool first = (dst & held) != 0;
                set(dst, (src & held) != 0);
                set(src, first);
            }
            return false;
        case ZYDIS_MNEMONIC_INC:
            return false;
        case ZYDIS_MNEMONIC_DEC:
            return (dst & held) != 0 && before_ <= 1;
        case ZYDIS_MNEMONIC_ADD:
        case ZYDIS_MNEMONIC_SUB:
            return sum(instruction, operands, holders);
        case ZYDIS_MNEMONIC_XOR:
            if (dst != 0 && dst == src) {
                set(dst, false);
                return false;
            }
            break;
        default:
            if (instruction.meta.category == ZYDIS_CATEGORY_CMOV) {
                const auto place = stack_place(operands[1]);
                if ((src & held) != 0 || (place && holders.has(place->first, place->second)))
                    set(dst, true);
                return false;
            }
            break;
        }
        // Whatever else is made of the address may be anything.
        if (dst != 0 && whole && reads(operands[0]) && writes(operands[0]) && ((dst | src) & held) != 0)
            return true;
        for (std::size_t i = 0; i < instruction.operand_count; ++i)
            if (writes(operands[i]))
                set(bit_of(operands[i]), false);
        return false;
    }

    bool sum(const ZydisDecodedInstruction& instruction, const DecodedOperands& operands, Holders& holders) const {
        const std::uint32_t dst = bit_of(operands[0]);
        const std::uint32_t src = bit_of(operands[1]);
        const bool subtracts = instruction.mnemonic == ZYDIS_MNEMONIC_SUB;
        if (((dst | src) & holders.registers) == 0 || dst == 0)
            return false;
        if (subtracts && (src & holders.registers) != 0) { // a distance
            holders.registers &= ~dst;
            return false;
        }
        const bool by_number = operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        const std::int64_t number = by_number ? operands[1].imm.value.s : 0;
        return operands[0].size == 64 && !(by_number && within(subtracts ? -number : number));
    }

    const FollowedCode& code_;
    std::int64_t before_;
    std::int64_t size_;
};

bool leaves(const FollowedCode& code, const Counter& counter, std::span<const std::uint32_t> cases,
            std::uint32_t instruction) {
    const auto first = code.index_of(instruction);
    const auto decoded = first ? code.decode(*first) : std::nullopt;
    if (!decoded)
        return true;
    const auto& operands = decoded->operands;
    const bool is_address = decoded->instruction.mnemonic == ZYDIS_MNEMONIC_LEA;
    for (const auto& operand : operands | std::views::take(decoded->instruction.operand_count_visible))
        if (is_memory(operand) && (!is_address || bit_of(operand.mem.index) != 0))
            return bit_of(operand.mem.index) != 0;
    return may_count(
        code.count(), [&](std::uint32_t index) { return code.ways_from(index); }, code.indices_of(cases), *first,
        bit_of(operands[0]), [&](std::uint32_t index, Holders& holders) { return counter.step(index, holders); });
}

} // namespace

bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                 std::span<const std::uint32_t> cases, std::uint32_t instruction, std::uint32_t size) {
    const FollowedCode code(stretch, instructions);
    return leaves(code, Counter(code, size, size), cases, instruction);
}

bool may_count_back(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                    std::span<const std::uint32_t> cases, std::uint32_t instruction) {
    const FollowedCode code(stretch, instructions);
    return leaves(code, Counter(code, 1, std::numeric_limits<std::int64_t>::max()), cases, instruction);
}

} // namespace suture::program::x64
