#include "patchgen/program/x64/followed_code.hpp"

#include <algorithm>

namespace suture::program::x64 {

std::uint32_t bit_of(ZydisRegister reg) {
    const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15 ? 1u << (whole - ZYDIS_REGISTER_RAX) : 0;
}

std::uint32_t bit_of(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER ? bit_of(operand.reg.value) : 0;
}

std::optional<std::pair<std::uint8_t, std::int64_t>> stack_place(const ZydisDecodedOperand& operand) {
    if (!is_memory(operand) || bit_of(operand.mem.index) != 0 || operand.size != 64)
        return std::nullopt;
    for (const std::uint8_t reg : {kStackPointer, kFramePointer})
        if (bit_of(operand.mem.base) == 1u << reg)
            return std::pair(reg, std::int64_t{operand.mem.disp.value});
    return std::nullopt;
}

std::optional<Decoded> FollowedCode::decode(std::uint32_t index) const {
    const auto bytes = stretch_.bytes.from(instructions_[index]);
    std::optional<Decoded> decoded{std::in_place};
    if (!bytes || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&shared_decoder(), bytes->data(), bytes->size(),
                                                       &decoded->instruction, decoded->operands.data())))
        decoded.reset();
    return decoded;
}

std::optional<std::uint32_t> FollowedCode::index_of(std::uint32_t offset) const {
    const auto found = std::ranges::lower_bound(instructions_, offset);
    return found != instructions_.end() && *found == offset
               ? std::optional(static_cast<std::uint32_t>(found - instructions_.begin()))
               : std::nullopt;
}

std::vector<std::uint32_t> FollowedCode::indices_of(std::span<const std::uint32_t> offsets) const {
    std::vector<std::uint32_t> indices;
    for (const std::uint32_t offset : offsets)
        if (const auto index = index_of(offset))
            indices.push_back(*index);
    return indices;
}

Ways FollowedCode::ways_from(std::uint32_t index) const {
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

} // namespace suture::program::x64
