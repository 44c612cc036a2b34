#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace suture::loader {

/// A process of this machine that runs a PE image, by the PID that this system gives it. Nothing in the process changes,
/// and threads are stopped only within the calls of the Target that need it.
///
/// On Linux that is a Wine process. While any tracer is attached, Wine's own ReadProcessMemory and WriteProcessMemory on
/// that process fail; the calls here attach for well under a millisecond with few threads.
///
/// Errors: target_gone; target_inaccessible (another user's, protected, already traced, another machine's program);
/// target_not_pe.
Result<std::unique_ptr<target::Target>> open_process(std::uint64_t pid);

/// The processes of this machine.
struct ProcessList {
    std::vector<std::uint64_t> pids; ///< of those that may be accessed and run a PE image, ascending
    std::size_t inaccessible = 0;    ///< how many may not be accessed, whatever they run
};
ProcessList list_processes();

} // namespace suture::loader
