#include "patchgen/program/x64/counting.hpp"

#include "patchgen/program/counting.hpp"
#include "patchgen/program/x64/zydis.hpp"

#include <algorithm>
#include <array>
#include <ranges>

namespace suture::program::x64 {

namespace {

using Operands = std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT>;

constexpr std::uint8_t kStackPointer = 4;
constexpr std::uint8_t kFramePointer = 5;
/// RAX and RDX, where calls leave their results. Others keep what they hold where the caller knows that they do.
constexpr std::uint32_t kResults = 1u << 0 | 1u << 2;

struct Decoded {
    ZydisDecodedInstruction instruction;
    Operands operands;
};

/// Bit of the general register that holds `reg`; 0 if none does.
std::uint32_t bit_of(ZydisRegister reg) {
    const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15 ? 1u << (whole - ZYDIS_REGISTER_RAX) : 0;
}

std::uint32_t bit_of(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER ? bit_of(operand.reg.value) : 0;
}

bool is_memory(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_MEMORY;
}

bool reads(const ZydisDecodedOperand& operand) {
    return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
}

bool writes(const ZydisDecodedOperand& operand) {
    return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
}

class Counter {
  public:
    Counter(const Stretch& stretch, std::span<const std::uint32_t> instructions, std::uint32_t size)
        : stretch_(stretch), instructions_(instructions), size_(size) {}

    std::optional<Decoded> decode(std::uint32_t index) const {
        const auto bytes = stretch_.bytes.from(instructions_[index]);
        std::optional<Decoded> decoded{std::in_place};
        if (!bytes || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&shared_decoder(), bytes->data(), bytes->size(),
                                                           &decoded->instruction, decoded->operands.data())))
            decoded.reset();
        return decoded;
    }

    std::optional<std::uint32_t> index_of(std::uint32_t offset) const {
        const auto found = std::ranges::lower_bound(instructions_, offset);
        return found != instructions_.end() && *found == offset
                   ? std::optional(static_cast<std::uint32_t>(found - instructions_.begin()))
                   : std::nullopt;
    }

    Ways ways_from(std::uint32_t index) const {
        Ways ways;
        const auto decoded = decode(index);
        if (!decoded)
            return ways;
        const auto& instruction = decoded->instruction;
        ways.goes_on = !is_terminator(instruction);
        const bool is_call = instruction.mnemonic == ZYDIS_MNEMONIC_CALL;
        if (instruction.raw.imm[0].is_relative && !is_call)
            ways.jump = index_of(instructions_[index] + instruction.length +
                                 static_cast<std::uint32_t>(instruction.raw.imm[0].value.s))
                            .value_or(Ways::kNowhere);
        ways.by_table = instruction.mnemonic == ZYDIS_MNEMONIC_JMP && !instruction.raw.imm[0].is_relative;
        return ways;
    }

    bool step(std::uint32_t index, Holders& holders) const {
        const auto decoded = decode(index);
        if (!decoded || is_fill_instruction(decoded->instruction))
            return false;
        const auto& [instruction, operands] = *decoded;
        for (std::size_t i = 0; i < instruction.operand_count; ++i)
            if (is_memory(operands[i]) && counts_in(operands[i], i >= instruction.operand_count_visible, holders))
                return true;
        return take(instruction, operands, holders);
    }

  private:
    bool within(std::int64_t distance) const { return distance > -std::int64_t{size_} && distance < size_; }

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
               (!is_address && distance + operand.size / 8 > size_);
    }

    /// The place on the stack that an operand is.
    static std::optional<std::pair<std::uint8_t, std::int64_t>> stack_place(const ZydisDecodedOperand& operand) {
        if (!is_memory(operand) || bit_of(operand.mem.index) != 0 || operand.size != 64)
            return std::nullopt;
        for (const std::uint8_t reg : {kStackPointer, kFramePointer})
            if (bit_of(operand.mem.base) == 1u << reg)
                return std::pair(reg, std::int64_t{operand.mem.disp.value});
        return std::nullopt;
    }

    bool take(const ZydisDecodedInstruction& instruction, const Operands& operands, Holders& holders) const {
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
        case ZYDIS_MNEMONIC_DEC:
            return false;
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

    bool sum(const ZydisDecodedInstruction& instruction, const Operands& operands, Holders& holders) const {
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
        return operands[0].size == 64 && !(by_number && within(operands[1].imm.value.s));
    }

    const Stretch& stretch_;
    std::span<const std::uint32_t> instructions_;
    std::int64_t size_;
};

} // namespace

bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                 std::span<const std::uint32_t> cases, std::uint32_t instruction, std::uint32_t size) {
    const Counter counter(stretch, instructions, size);
    const auto first = counter.index_of(instruction);
    const auto decoded = first ? counter.decode(*first) : std::nullopt;
    if (!decoded)
        return true;
    const auto& operands = decoded->operands;
    const bool is_address = decoded->instruction.mnemonic == ZYDIS_MNEMONIC_LEA;
    for (const auto& operand : operands | std::views::take(decoded->instruction.operand_count_visible))
        if (is_memory(operand) && (!is_address || bit_of(operand.mem.index) != 0))
            return bit_of(operand.mem.index) != 0;
    std::vector<std::uint32_t> labels;
    for (const std::uint32_t offset : cases)
        if (const auto index = counter.index_of(offset))
            labels.push_back(*index);
    return may_count(
        instructions.size(), [&](std::uint32_t index) { return counter.ways_from(index); }, labels, *first,
        bit_of(operands[0]), [&](std::uint32_t index, Holders& holders) { return counter.step(index, holders); });
}

} // namespace suture::program::x64
