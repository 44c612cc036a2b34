#pragma once

#include "patchgen/program/x64/decode.hpp"

#include <Zydis/Zydis.h>

namespace suture::program::x64 {

/// A decoder for 64-bit code. Immutable: any thread may use it.
const ZydisDecoder& shared_decoder();

/// True if the instruction has a memory operand [rip + disp32].
inline bool is_rip_relative(const ZydisDecodedInstruction& instruction) {
    return (instruction.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && instruction.raw.modrm.mod == 0 &&
           instruction.raw.modrm.rm == 5 && instruction.raw.disp.size == 32;
}

/// True if the instruction behind it runs only where something jumps to it.
bool is_terminator(const ZydisDecodedInstruction& instruction);

/// True for int3 and NOPs of any length.
inline bool is_fill_instruction(const ZydisDecodedInstruction& instruction) {
    return instruction.mnemonic == ZYDIS_MNEMONIC_NOP || instruction.mnemonic == ZYDIS_MNEMONIC_INT3;
}

/// What an instruction does with its memory operand, by the context of its decoding.
Access access_of(const ZydisDecoderContext& context, const ZydisDecodedInstruction& instruction);

} // namespace suture::program::x64
