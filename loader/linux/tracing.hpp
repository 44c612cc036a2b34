#pragma once

#include "engine/core/result.hpp"
#include "loader/linux/arch.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

/// ptrace(2), as far as it is needed. A tracer is a thread, not a process: all calls on a tracee come from the one that
/// attached to it. No stop is ever taken off the kernel (WNOWAIT): a signal whose delivery is being reported when the
/// tracer dies is then still delivered.
namespace suture::loader::tracing {

using Deadline = std::chrono::steady_clock::time_point;

enum class Event {
    stopped, ///< by interrupt()
    held,    ///< with the whole process: SIGSTOP and the like
    signal,  ///< about to get `number`
    call,    ///< at the entry or exit of a system call, after resume_to_call()
    ended,   ///< the thread exists no more
    timeout, ///< nothing of this until the deadline
};

struct Report {
    Event event = Event::timeout;
    int number = 0;
};

enum class Seized { yes, gone, refused };

/// Attaches; the thread runs on. Without PTRACE_O_EXITKILL, so that it also runs on when this process dies.
Seized seize(pid_t tid);
/// The same for a program that is being started, which ends if this process dies.
Seized seize_to_start(pid_t tid);
/// Asks an attached thread to stop; report() tells when it has. False if it is gone.
bool interrupt(pid_t tid);
/// Waits for what an attached thread does next.
Report report(pid_t tid, Deadline deadline);
/// Of a stopped thread. It gets the signal `number`, if not zero. False if it is gone.
bool detach(pid_t tid, int number);
bool resume(pid_t tid, int number);
bool resume_to_call(pid_t tid, int number);
/// Of one that is held: it stays so until a SIGCONT, and tells of that.
bool stay_held(pid_t tid);
/// Takes the thread's end off the kernel, so that its process can end.
void bury(pid_t tid);

bool get_registers(pid_t tid, arch::Registers& registers);
bool set_registers(pid_t tid, const arch::Registers& registers);
/// Empty if the thread is gone.
Bytes get_vector_registers(pid_t tid);
bool get_mask(pid_t tid, std::uint64_t& mask);
bool set_mask(pid_t tid, std::uint64_t mask);

/// Signals that are for this thread alone and were not delivered yet, bit 0 for number 1: a fault that it has just caused
/// among them. Nothing if that cannot be told.
std::optional<std::uint64_t> own_pending(pid_t tid);
/// Why a thread cannot be attached to: "is traced by 12 (gdb)" or "may not be traced by user 65534".
std::string refusal(std::uint64_t tid);

} // namespace suture::loader::tracing
