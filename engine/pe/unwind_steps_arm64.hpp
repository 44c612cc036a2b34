#pragma once

#include "engine/pe/unwind_arm64.hpp"

#include <array>
#include <optional>
#include <vector>

namespace suture::pe {

/// What undoes one instruction of a prologue ("Unwind codes" of "ARM64 exception handling", Microsoft Learn).
struct UnwindStepArm64 {
    enum class Kind : std::uint8_t {
        nothing,       ///< the instruction changed nothing that a caller wants back
        restore,       ///< registers from the stack, then `size` is added to the stack pointer
        to_frame,      ///< the stack pointer becomes x29 - `offset`
        signed_return, ///< x30 has a signature
        machine_frame, ///< at the stack pointer: the one of before, and the instruction pointer
        context,       ///< at the stack pointer: a CONTEXT of all registers
        interrupted,   ///< the address found so far is where the thread was, and no return address
        unknown,       ///< what a walk cannot undo: kernel frames, Arm64EC, scalable vectors
    };
    /// No register of that number, 0 to 30, is restored; vector registers are never told.
    static constexpr std::uint8_t kNone = 0xff;

    Kind kind = Kind::nothing;
    /// Of the 8 bytes at `offset` from the stack pointer, and of the 8 behind.
    std::array<std::uint8_t, 2> registers{kNone, kNone};
    std::uint32_t offset = 0; ///< bytes
    std::uint32_t size = 0;   ///< bytes

    auto operator<=>(const UnwindStepArm64&) const = default;
};

/// The steps from `offset` bytes into the function or fragment, a multiple of 4, to its caller, in the order in which
/// they are to be done: in a prologue for what it has done, in an epilogue for what it has not, else for all. Nothing
/// where the codes make no sense, or describe what is not documented.
std::optional<std::vector<UnwindStepArm64>> unwind_steps_arm64(const UnwindInfoArm64& info, std::uint32_t offset);

} // namespace suture::pe
