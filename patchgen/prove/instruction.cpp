#include "patchgen/prove/instruction.hpp"

#include "engine/isa/x64/common_form.hpp"

#include <Zydis/Zydis.h>

#include <algorithm>

namespace suture::prove {

using program::Use;
using Form = isa::x64::CommonForm::Kind;

namespace {

ZydisDecoder make_decoder() {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return decoder;
}

/// How far the memory at the address is used, from the operand that names it.
void set_use(DistanceField& field, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand& operand) {
    if (instruction.mnemonic == ZYDIS_MNEMONIC_LEA || operand.mem.type != ZYDIS_MEMOP_TYPE_MEM || operand.size < 8) {
        field.use = Use::address;
        return;
    }
    const bool writes = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    field.use = writes ? Use::write : Use::read;
    field.access_size = operand.size / 8u;
}

Instruction instruction_of(const isa::x64::CommonForm& form) {
    using Access = isa::x64::CommonForm::Access;
    Instruction instruction{form.length, std::nullopt};
    if (form.field_size == 0)
        return instruction;
    DistanceField field{form.field, form.field_size, Use::jump, 0};
    if (form.kind == Form::call)
        field.use = Use::call;
    if (form.kind == Form::memory) {
        field.use = form.access == Access::address ? Use::address
                    : form.access == Access::read  ? Use::read
                                                   : Use::write;
        field.access_size = form.access_size;
    }
    instruction.distance = field;
    return instruction;
}

} // namespace

std::optional<Instruction> decode(ByteView code) {
    if (const auto form = isa::x64::common_form(code); form.kind != Form::other)
        return instruction_of(form);
    static const ZydisDecoder decoder = make_decoder();
    ZydisDecodedInstruction raw;
    ZydisDecoderContext context;
    const std::size_t room = std::min<std::size_t>(code.size(), ZYDIS_MAX_INSTRUCTION_LENGTH);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, &context, code.data(), room, &raw)))
        return std::nullopt;
    Instruction instruction{raw.length, std::nullopt};
    if (raw.raw.imm[0].is_relative) {
        if (raw.raw.imm[0].size != 8 && raw.raw.imm[0].size != 32)
            return std::nullopt;
        const Use use = raw.meta.category == ZYDIS_CATEGORY_CALL ? Use::call : Use::jump;
        instruction.distance = {raw.raw.imm[0].offset, static_cast<std::uint8_t>(raw.raw.imm[0].size / 8), use, 0};
        return instruction;
    }
    // A base of RIP or EIP is encoded as no base with 32 bits of displacement (Intel SDM volume 2, 2.2.1.6).
    if ((raw.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0 || raw.raw.modrm.mod != 0 || raw.raw.modrm.rm != 5)
        return instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&decoder, &context, &raw, operands, raw.operand_count)))
        return std::nullopt;
    for (std::uint8_t i = 0; i < raw.operand_count; ++i) {
        const ZydisDecodedOperand& operand = operands[i];
        if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        if (operand.mem.base == ZYDIS_REGISTER_EIP)
            return std::nullopt;
        if (operand.mem.base != ZYDIS_REGISTER_RIP)
            continue;
        instruction.distance = {raw.raw.disp.offset, 4, Use::address, 0};
        set_use(*instruction.distance, raw, operand);
        return instruction;
    }
    return instruction;
}

} // namespace suture::prove
