#pragma once

#include "patchgen/program/arm64/instruction.hpp"
#include "patchgen/program/machine_code.hpp"

namespace suture::program::arm64 {

/// Most words of a function whose registers are followed: 16 MiB, four times the largest known.
inline constexpr std::size_t kMaxWords = std::size_t{1} << 22;

/// Follows page addresses and the bases of switches through the registers. `steps`: one for each word of the
/// stretch; Operation::invalid for those that are no code.
RegisterFlow follow_registers(const Stretch& stretch, std::span<const Instruction> steps, const FlowHints& hints,
                              Reach reach);

} // namespace suture::program::arm64
