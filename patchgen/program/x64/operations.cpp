#include "patchgen/program/x64/operations.hpp"

#include "patchgen/program/x64/step_forms.hpp"
#include "patchgen/program/x64/zydis.hpp"

#include <array>

namespace suture::program::x64 {

namespace {

using Operands = std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT>;

std::int8_t number_of(ZydisRegister reg) {
    const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return kNone;
    return static_cast<std::int8_t>(whole - ZYDIS_REGISTER_RAX);
}

std::int8_t register_of(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER ? number_of(operand.reg.value) : kNone;
}

RegisterField field_of(const ZydisDecodedOperand& operand) {
    if (register_of(operand) == kNone)
        return RegisterField::none;
    switch (operand.encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
        return RegisterField::reg;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        return RegisterField::rm;
    case ZYDIS_OPERAND_ENCODING_OPCODE:
        return RegisterField::opcode;
    default:
        return RegisterField::none;
    }
}

void take_memory(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand& operand, Step& step) {
    if (operand.mem.base == ZYDIS_REGISTER_RIP || operand.mem.segment == ZYDIS_REGISTER_GS ||
        operand.mem.segment == ZYDIS_REGISTER_FS)
        return;
    step.memory = true;
    step.base = number_of(operand.mem.base);
    step.index = number_of(operand.mem.index);
    step.scale = operand.mem.scale;
    step.displacement = static_cast<std::int32_t>(operand.mem.disp.value);
    step.wide_displacement = instruction.raw.disp.size == 32;
    if (operand.mem.type == ZYDIS_MEMOP_TYPE_MEM) {
        const bool writes = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
        step.access = {writes ? Use::write : Use::read, operand.size / 8u};
    }
}

Operation operation_of(const ZydisDecodedInstruction& instruction, const Operands& operands, const Step& step) {
    const bool from_memory = operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY;
    const bool rip = is_rip_relative(instruction);
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_LEA:
        if (instruction.operand_width != 64)
            return Operation::other;
        return rip ? Operation::load_address : Operation::compute;
    case ZYDIS_MNEMONIC_MOV:
        if (operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return step.src != kNone && operands[0].size == 64 && !rip ? Operation::store : Operation::other;
        if (step.dst == kNone)
            return Operation::other;
        if (rip)
            return operands[0].size == 64 ? Operation::load : Operation::other;
        if (from_memory)
            return operands[0].size == 64   ? Operation::load
                   : operands[0].size == 32 ? Operation::load_unsigned
                                            : Operation::other;
        if (step.src == kNone)
            return Operation::other;
        return operands[0].size == 64 ? Operation::copy : operands[0].size == 32 ? Operation::extend : Operation::other;
    case ZYDIS_MNEMONIC_MOVSXD:
        if (operands[0].size != 64 || rip)
            return Operation::other;
        return from_memory ? Operation::load_signed : Operation::extend;
    case ZYDIS_MNEMONIC_CDQE:
        return Operation::extend;
    case ZYDIS_MNEMONIC_MOVZX:
        return !from_memory && step.src != kNone ? Operation::extend : Operation::other;
    case ZYDIS_MNEMONIC_ADD:
        return step.dst != kNone && step.src != kNone && operands[0].size == 64 ? Operation::add : Operation::other;
    case ZYDIS_MNEMONIC_CMP:
        return (step.dst != kNone || step.memory) && operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE
                   ? Operation::compare
                   : Operation::other;
    case ZYDIS_MNEMONIC_AND:
        return step.dst != kNone && operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? Operation::mask
                                                                                     : Operation::other;
    case ZYDIS_MNEMONIC_JMP:
        return operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? Operation::jump_register : Operation::other;
    case ZYDIS_MNEMONIC_CALL:
        return Operation::call;
    default:
        return Operation::other;
    }
}

DecodedStep step_of(const ZydisDecodedInstruction& instruction, const Operands& operands, Rva at,
                    std::uint32_t offset) {
    DecodedStep decoded;
    Step& step = decoded.step;
    step.offset = offset;
    step.length = instruction.length;
    for (std::size_t i = 0; i < instruction.operand_count; ++i) {
        const auto& operand = operands[i];
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && i < instruction.operand_count_visible)
            take_memory(instruction, operand, step);
        const std::int8_t reg = register_of(operand);
        const RegisterField field = field_of(operand);
        const auto field_bit = static_cast<std::uint8_t>(1u << static_cast<unsigned>(field));
        if (field != RegisterField::none && operand.size == 8)
            decoded.byte_fields |= field_bit;
        if (reg == kNone || (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0)
            continue;
        step.written |= static_cast<std::uint16_t>(1u << reg);
        if (field == RegisterField::none)
            decoded.always_written |= static_cast<std::uint16_t>(1u << reg);
        else
            decoded.written_fields |= field_bit;
    }
    if (instruction.operand_count_visible > 0) {
        step.dst = register_of(operands[0]);
        decoded.dst = field_of(operands[0]);
    }
    if (instruction.operand_count_visible > 1) {
        step.src = register_of(operands[1]);
        decoded.src = field_of(operands[1]);
        if (operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            step.immediate = operands[1].imm.value.u;
            decoded.immediate_counts = instruction.raw.imm[0].size != 0;
        }
    }
    step.displacement_at = instruction.raw.disp.offset;
    decoded.displacement_size = instruction.raw.disp.size / 8;
    decoded.immediate_at = instruction.raw.imm[0].offset;
    decoded.immediate_size = instruction.raw.imm[0].size / 8;
    decoded.immediate_is_signed = instruction.raw.imm[0].is_signed != 0;
    if (instruction.mnemonic == ZYDIS_MNEMONIC_CDQE)
        step.dst = step.src = 0;
    step.operation = operation_of(instruction, operands, step);
    if (step.operation == Operation::jump_register) {
        step.src = step.dst;
        decoded.src = decoded.dst;
        // "x64 prolog and epilog", Microsoft Learn: an unwinder takes other jumps by register for ones within.
        step.leaves = instruction.raw.rex.W != 0;
    }
    step.sets_flags = instruction.cpu_flags && (instruction.cpu_flags->modified & ZYDIS_CPUFLAG_CF) != 0;
    step.fill = is_fill_instruction(instruction);
    step.ends_flow = is_terminator(instruction);
    step.fails = step.ends_flow && instruction.mnemonic == ZYDIS_MNEMONIC_INT;
    const Rva end = at + instruction.length;
    if (instruction.raw.imm[0].is_relative && instruction.mnemonic != ZYDIS_MNEMONIC_CALL) {
        step.jumps = true;
        step.target = end + static_cast<std::uint32_t>(instruction.raw.imm[0].value.s);
        step.above = instruction.mnemonic == ZYDIS_MNEMONIC_JNBE;
        step.above_or_equal = instruction.mnemonic == ZYDIS_MNEMONIC_JNB;
    } else if (step.operation == Operation::load_address) {
        step.target = end + static_cast<std::uint32_t>(instruction.raw.disp.value);
    }
    return decoded;
}

} // namespace

std::optional<DecodedStep> decode_step(ByteView code, Rva at, std::uint32_t offset) {
    ZydisDecodedInstruction instruction;
    Operands operands;
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&shared_decoder(), code.data(), code.size(), &instruction, operands.data())))
        return std::nullopt;
    return step_of(instruction, operands, at, offset);
}

std::vector<Step> steps_of(const Stretch& stretch, std::span<const std::uint32_t> instructions) {
    std::vector<Step> steps;
    steps.reserve(instructions.size());
    for (const std::uint32_t offset : instructions) {
        const auto bytes = stretch.bytes.from(offset);
        if (!bytes || !add_step(*bytes, stretch.begin + offset, offset, steps))
            return {};
    }
    return steps;
}

} // namespace suture::program::x64
