#include "patchgen/program/x64/zydis.hpp"

#include <array>

namespace suture::program::x64 {

const ZydisDecoder& shared_decoder() {
    static const ZydisDecoder decoder = [] {
        ZydisDecoder made;
        ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return made;
    }();
    return decoder;
}

bool is_terminator(const ZydisDecodedInstruction& instruction) {
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_IRETQ:
        return true;
    case ZYDIS_MNEMONIC_INT:
        return instruction.raw.imm[0].value.u == 0x29; // __fastfail
    default:
        return false;
    }
}

Access access_of(const ZydisDecoderContext& context, const ZydisDecodedInstruction& instruction) {
    if (instruction.mnemonic == ZYDIS_MNEMONIC_LEA)
        return {};
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&shared_decoder(), &context, &instruction, operands.data(),
                                                 instruction.operand_count_visible)))
        return {};
    for (std::size_t i = 0; i < instruction.operand_count_visible; ++i) {
        const auto& operand = operands[i];
        if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.type != ZYDIS_MEMOP_TYPE_MEM)
            continue;
        const std::uint32_t size = operand.size / 8u;
        if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0)
            return {Use::write, size};
        if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0)
            return {Use::read, size};
    }
    return {};
}

} // namespace suture::program::x64
