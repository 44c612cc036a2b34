#pragma once

#include "engine/core/result.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suture::loader {

/// The whole of /proc/PID/`name`, at most kMaxProcFile bytes.
/// Errors: target_gone (no such process), target_inaccessible.
Result<std::string> read_proc(std::uint64_t pid, std::string_view name);
inline constexpr std::size_t kMaxProcFile = std::size_t{256} << 20;

/// What is needed of /proc/PID/status (proc_pid_status(5)).
struct Status {
    std::string name;
    char state = '?';          ///< as in ps: R, S, D, T, t, Z, X
    std::uint64_t process = 0; ///< differs from the PID of a thread that is not the first one
    std::uint64_t parent = 0;
    std::uint64_t tracer = 0;   ///< 0: not traced
    std::uint64_t user = 0;     ///< effective user id
    std::uint64_t group = 0;    ///< effective group id
    std::uint64_t caught = 0;   ///< signals with a handler: bit n - 1 is signal n
    bool kernel_thread = false; ///< false also where the kernel does not tell
    bool shadow_stack = false;  ///< x86: CET shadow stacks are on for this thread
};
Status parse_status(std::string_view text);
/// Errors: as read_proc.
Result<Status> read_status(std::uint64_t pid);

/// "7 (bash)", or "7" where the name is not known.
std::string describe_process(std::uint64_t pid);
/// "root (0)", or "1000" where the name is not known.
std::string describe_user(std::uint64_t user);

/// All processes that the kernel shows, ascending.
std::vector<std::uint64_t> list_pids();

/// Thread ids of a process, in the order in which the kernel lists them; empty if it is gone.
std::vector<pid_t> list_threads(std::uint64_t pid);

} // namespace suture::loader
