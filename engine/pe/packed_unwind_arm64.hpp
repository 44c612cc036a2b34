#pragma once

#include "engine/pe/unwind_steps_arm64.hpp"

namespace suture::pe {

/// What a packed entry of .pdata stands for, one step for each instruction.
struct PackedFrameArm64 {
    std::vector<UnwindStepArm64> prologue; ///< in the order of undoing: last instruction first
    std::vector<UnwindStepArm64> epilogue; ///< in the order of its instructions, without the return
};

/// By "Packed unwind data" of "ARM64 exception handling" (Microsoft Learn). Nothing for words that stand for no
/// prologue that is documented there.
std::optional<PackedFrameArm64> packed_frame_arm64(std::uint32_t word);

} // namespace suture::pe
