#pragma once

#include "patchgen/program/program.hpp"

namespace suture::prove {

/// A field of an instruction that holds a distance from the instruction's end.
struct DistanceField {
    std::uint8_t offset = 0; ///< in the instruction
    std::uint8_t size = 4;   ///< bytes: 1 or 4
    program::Use use = program::Use::address;
    std::uint32_t access_size = 0; ///< bytes, for read and write
};

/// As much of an x64 instruction as the proof needs.
struct Instruction {
    std::uint8_t length = 0; ///< bytes
    std::optional<DistanceField> distance;
};

/// The instruction that `code` starts with, or nothing if there is none or it has a distance of another size.
std::optional<Instruction> decode(ByteView code);

} // namespace suture::prove
