#include "engine/patch/call_forms_x64.hpp"

#include <Zydis/Zydis.h>

#include <array>
#include <span>

namespace suture::patch {

namespace {

constexpr int kMaxLeafInstructions = 64;

/// Bytes of ModRM, SIB and displacement, for a memory or register operand.
std::optional<std::uint64_t> operand_size(ByteView at_modrm) {
    const auto modrm = at_modrm.read<std::uint8_t>(0);
    if (!modrm)
        return std::nullopt;
    const int mod = *modrm >> 6;
    const int rm = *modrm & 7;
    if (mod == 3)
        return 1;
    const bool sib = rm == 4;
    std::uint64_t size = sib ? 2 : 1;
    const auto base = sib ? at_modrm.read<std::uint8_t>(1) : std::nullopt;
    if (sib && !base)
        return std::nullopt;
    if (mod == 1)
        size += 1;
    else if (mod == 2 || rm == 5 || (base && (*base & 7) == 5))
        size += 4;
    return size;
}

bool is_call(ByteView bytes) {
    std::uint64_t at = 0;
    // Prefixes that linkers and compilers put on calls: CET's notrack, bnd, addr32 as filler, REX.
    while (at < bytes.size() && (bytes[at] == 0x3e || bytes[at] == 0xf2 || bytes[at] == 0x67))
        ++at;
    if (at < bytes.size() && (bytes[at] & 0xf0) == 0x40)
        ++at;
    const auto opcode = bytes.read<std::uint8_t>(at);
    if (opcode == 0xe8)
        return bytes.size() - at == 5;
    const auto modrm = bytes.read<std::uint8_t>(at + 1);
    if (opcode != 0xff || !modrm || ((*modrm >> 3) & 7) != 2)
        return false;
    const auto size = operand_size(*bytes.from(at + 1));
    return size && at + 1 + *size == bytes.size();
}

/// lea rsp, [rsp]: what Wine's functions begin with where others have room for a hotpatch.
bool is_filler(const ZydisDecodedInstruction& instruction, std::span<const ZydisDecodedOperand> operands) {
    if (instruction.mnemonic != ZYDIS_MNEMONIC_LEA || operands[1].type != ZYDIS_OPERAND_TYPE_MEMORY)
        return false;
    const auto& memory = operands[1].mem;
    return operands[0].reg.value == ZYDIS_REGISTER_RSP && memory.base == ZYDIS_REGISTER_RSP &&
           memory.index == ZYDIS_REGISTER_NONE && memory.disp.value == 0;
}

bool moves_stack_pointer(const ZydisDecodedInstruction& instruction, std::span<const ZydisDecodedOperand> operands) {
    for (const ZydisDecodedOperand& operand : operands.first(instruction.operand_count))
        if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 &&
            ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value) == ZYDIS_REGISTER_RSP)
            return true;
    return false;
}

} // namespace

bool ends_with_call_x64(ByteView bytes) {
    for (std::uint64_t size = 2; size <= kMaxCallSizeX64 && size <= bytes.size(); ++size)
        if (is_call(*bytes.from(bytes.size() - size)))
            return true;
    return false;
}

bool looks_like_leaf_x64(ByteView bytes) {
    ZydisDecoder decoder;
    if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
        return false;
    std::uint64_t at = 0;
    for (int i = 0; i < kMaxLeafInstructions; ++i) {
        ZydisDecodedInstruction instruction;
        std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
        if (at >= bytes.size() || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data() + at, bytes.size() - at,
                                                                       &instruction, operands.data())))
            return false;
        if (instruction.meta.category == ZYDIS_CATEGORY_RET || instruction.meta.category == ZYDIS_CATEGORY_UNCOND_BR)
            return true;
        if (moves_stack_pointer(instruction, operands) && !is_filler(instruction, operands))
            return false;
        at += instruction.length;
    }
    return false;
}

} // namespace suture::patch
