#pragma once

#include "engine/patch/unwinder.hpp"

#include <string>
#include <vector>

namespace suture::patch {

/// A place in code that a thread is at or will come back to.
struct Frame {
    Va ip;
    Va sp; ///< stack pointer there
    Arrival arrival = Arrival::executing;
};

/// A thread's frames, innermost first.
struct Walk {
    std::vector<Frame> frames;
    /// True if the thread's outermost function was reached, each step being plausible.
    bool complete = false;
    /// Why it is not complete; empty otherwise.
    std::string stopped_because;
    /// Where the part of the stack begins that no frame accounts for; the end of the stack if complete.
    Va scanned_from;
    /// Likewise, of registers: what may be return addresses. Empty if complete.
    std::vector<Va> loose;
};

/// Deepest stack that is walked; what lies above is unaccounted for.
inline constexpr std::size_t kMaxFrames = 4096;

/// Walks a stopped thread's stack. Never fails: whatever is unexpected ends the walk, incomplete.
Walk walk_stack(Machine machine, CodeMap& map, const target::ThreadState& thread, const StackView& stack);

/// False if `at` is certainly no return address: what can be read before it is no call.
bool may_follow_call(Machine machine, CodeMap& map, Va at);

} // namespace suture::patch
