#pragma once

#include "patchgen/program/stretch.hpp"

namespace suture::program::x64 {

/// What an instruction does with its memory operand.
struct Access {
    Use use = Use::address;
    std::uint32_t size = 0; ///< bytes; 0 for `address`

    bool operator==(const Access&) const = default;
};

/// Decodes a stretch linearly. Never fails: see DecodedCode::undecoded.
DecodedCode decode(const Stretch& stretch);

/// Decodes what branches reach from `entries` (offsets in the stretch): where tables between instructions stop
/// decode(), to find the code that uses them. Blocks that cannot be decoded are left out; nothing is checked.
/// `past_calls`: whether code goes on in the fill behind a call, or ends there as behind one that does not return.
DecodedCode decode_reached(const Stretch& stretch, std::span<const std::uint32_t> entries, bool past_calls);

/// See MachineCode::possible_references.
std::vector<Reference> possible_references(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                                           std::span<const Reference> known);

/// Length of the fill instruction that `bytes` start with (int3, nop of any length), or 0.
std::uint32_t fill_at(ByteView bytes);
/// True if all of `bytes` is fill: CC and NOPs of any length, whole.
bool is_fill(ByteView bytes);

} // namespace suture::program::x64
