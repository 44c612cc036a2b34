#pragma once

#include "engine/core/byte_view.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace suture::patch {

/// What the rest of an epilogue does, where an instruction pointer is inside one.
struct EpilogueX64 {
    /// How the stack pointer is taken back before the pops.
    enum class Start : std::uint8_t {
        none,
        add,  ///< rsp += amount
        base, ///< rsp = base register + amount
    };
    /// How control leaves.
    enum class End : std::uint8_t {
        ret,
        jump,          ///< jmp rel: `jump` says where to
        indirect_jump, ///< jmp through a register or memory
    };
    Start start = Start::none;
    std::uint8_t base = 0;
    std::int64_t amount = 0;
    std::vector<std::uint8_t> pops; ///< register numbers in order
    End end = End::ret;
    std::int64_t jump = 0; ///< distance from the first byte given to the target
    /// A tail call's `rex.w jmp`, which only epilogues use.
    bool marked = false;
    std::uint32_t extra = 0; ///< bytes that `ret imm16` drops

    /// True if the bytes cannot be anything but the end of a function: a lone jump may as well be a loop or a switch.
    bool certain() const { return end == End::ret || marked || start != Start::none || !pops.empty(); }
};

/// The epilogue that `bytes` start in, or nothing: add or lea to rsp, pops, and a return or a jump, the only forms that
/// the ABI allows ("x64 prolog and epilog usage", Microsoft Learn), and `leave` and `mov rsp, rbp`.
std::optional<EpilogueX64> epilogue_at(ByteView bytes);

} // namespace suture::patch
