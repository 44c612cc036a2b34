#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/machine.hpp"
#include "engine/target/target.hpp"

#include <array>
#include <cstdint>
#include <vector>

struct uc_struct;

namespace suture::test {

/// What the emulator's tests know of a machine: numbers of registers as Unicorn has them, and the convention for calls.
struct Processor {
    std::vector<int> general;   ///< those of target::ThreadState::registers, in its order
    std::vector<int> preserved; ///< general ones that a call leaves as they were
    std::vector<int> vectors;   ///< vector registers that a call leaves as they were
    std::vector<int> scratch;   ///< all other vector registers, and the flags
    std::vector<int> arguments; ///< three
    int result;
    int stack;
    int pc;
    /// The outermost function of a thread, which calls what a register holds, and its unwind data; what it returns to
    /// lies at its stack pointer.
    Bytes start;
    std::uint32_t returns_at;    ///< offset in `start` behind the call
    std::uint32_t unwound_bytes; ///< what `start` has put on the stack by then
    Bytes unwind;                ///< UNWIND_INFO, or an .xdata record
    std::uint32_t ret;           ///< a return, filled up to 4 bytes
};

const Processor& processor_of(Machine machine);

/// A fresh processor with nothing in its memory, that runs vector instructions.
uc_struct* open_processor(Machine machine);

} // namespace suture::test
