#include "engine/isa/x64/decode.hpp"

#include <Zydis/Zydis.h>

namespace suture::isa::x64 {

namespace {

const ZydisDecoder& decoder() {
    static const ZydisDecoder instance = [] {
        ZydisDecoder value;
        ZydisDecoderInit(&value, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return value;
    }();
    return instance;
}

bool has_prefix(const ZydisDecodedInstruction& raw, std::uint8_t prefix) {
    for (unsigned i = 0; i < raw.raw.prefix_count; ++i)
        if (raw.raw.prefixes[i].value == prefix)
            return true;
    return false;
}

Flow flow_of(const ZydisDecodedInstruction& raw) {
    switch (raw.meta.category) {
    case ZYDIS_CATEGORY_UNCOND_BR:
        return Flow::jump;
    case ZYDIS_CATEGORY_COND_BR:
        return Flow::conditional;
    case ZYDIS_CATEGORY_CALL:
        return Flow::call;
    case ZYDIS_CATEGORY_RET:
        return Flow::end;
    default:
        break;
    }
    if (raw.mnemonic == ZYDIS_MNEMONIC_UD2)
        return Flow::end;
    if (raw.mnemonic == ZYDIS_MNEMONIC_INT && raw.raw.imm[0].value.u == 0x29)
        return Flow::end;
    return Flow::next;
}

std::string_view obstacle_of(const ZydisDecodedInstruction& raw, Flow flow) {
    switch (raw.mnemonic) {
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
        return "loop";
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
        return "jrcxz";
    case ZYDIS_MNEMONIC_XBEGIN:
        return "xbegin";
    default:
        break;
    }
    if (flow == Flow::jump || flow == Flow::call || flow == Flow::conditional) {
        if (raw.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
            return "a far branch";
        // Intel processors ignore the prefix on near branches, AMD's cut the target to 16 bits.
        if (has_prefix(raw, 0x66))
            return "a branch with an operand-size prefix";
    }
    return {};
}

bool operand_is_rsp(const ZydisDecodedInstruction& raw) {
    const auto& modrm = raw.raw.modrm;
    if (modrm.rm != 4)
        return false;
    const bool extended = raw.raw.rex.B != 0;
    return modrm.mod == 3 ? !extended : raw.raw.sib.base == 4 && !extended;
}

} // namespace

std::optional<Instruction> decode(ByteView code) {
    ZydisDecodedInstruction raw;
    if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder(), nullptr, code.data(), code.size(), &raw)))
        return std::nullopt;

    Instruction out;
    out.length = raw.length;
    out.flow = flow_of(raw);
    out.obstacle = obstacle_of(raw, out.flow);
    out.relative_branch = raw.raw.imm[0].size != 0 && raw.raw.imm[0].is_relative;
    if (out.relative_branch) {
        out.target = std::int64_t{raw.length} + raw.raw.imm[0].value.s;
        out.condition = raw.opcode & 0x0f;
        return out;
    }
    out.computes_only = raw.mnemonic == ZYDIS_MNEMONIC_LEA || raw.mnemonic == ZYDIS_MNEMONIC_NOP;
    if ((raw.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0) {
        out.displacement_at = raw.raw.disp.offset;
        out.target = std::int64_t{raw.length} + raw.raw.disp.value;
        if (has_prefix(raw, 0x67))
            out.obstacle = "an EIP-relative operand";
    }
    if (out.flow == Flow::jump || out.flow == Flow::call) {
        out.modrm_at = raw.raw.modrm.offset;
        out.operand_is_rsp = operand_is_rsp(raw);
    }
    return out;
}

} // namespace suture::isa::x64
