#pragma once

#include "patchgen/program/machine_code.hpp"

namespace suture::program::arm64 {

/// Decodes a stretch linearly, and follows the page addresses through it. Never fails: see DecodedCode::undecoded.
DecodedCode decode(const Stretch& stretch);

/// As MachineCode::decode_reached(). References that only the flow of registers tells are left out.
DecodedCode decode_reached(const Stretch& stretch, std::span<const std::uint32_t> entries);

/// True if all of `bytes` is fill: NOPs, breakpoints and zeros.
bool is_fill(ByteView bytes);

} // namespace suture::program::arm64
