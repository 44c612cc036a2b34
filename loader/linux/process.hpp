#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace suture::loader {

/// A process of this machine that runs a PE image (a Wine process), by its Linux PID. Nothing in the process changes,
/// and it is not left attached to: threads are stopped only within the calls of the Target that need it. While any
/// tracer is attached, Wine's own ReadProcessMemory and WriteProcessMemory on that process fail; the calls here attach
/// for well under a millisecond with few threads.
///
/// Errors: target_gone; target_inaccessible (another user's, already traced, a kernel thread, another machine's
/// program); target_not_pe.
Result<std::unique_ptr<target::Target>> open_process(std::uint64_t pid);

struct StoppedThread;
/// The same for a process whose only thread this one has attached to and stopped: it stands still until the Target
/// ends, whatever is done to it. Errors, with which it stays attached to: target_gone, target_not_pe.
Result<std::unique_ptr<target::Target>> open_held_process(const StoppedThread& only);

/// The processes of this machine.
struct ProcessList {
    std::vector<std::uint64_t> pids; ///< of those that may be accessed and run a PE image, ascending
    std::size_t inaccessible = 0;    ///< how many may not be accessed, whatever they run
};
ProcessList list_processes();

} // namespace suture::loader
