#include "loader/linux/tracing.hpp"

#include "loader/linux/procfs.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

namespace suture::loader::tracing {

namespace {

/// As glibc's ptrace() takes numbers.
void* number_argument(std::uint64_t value) {
    return reinterpret_cast<void*>(value);
}

template <class Request>
bool trace(Request request, pid_t tid, std::uint64_t address, void* data) {
    return ::ptrace(request, tid, number_argument(address), data) == 0;
}

Report decode(const siginfo_t& info) {
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
        return {Event::ended, 0};
    const int number = info.si_status & 0x7f;
    if (info.si_status >> 8 == PTRACE_EVENT_STOP)
        return {number == SIGTRAP ? Event::stopped : Event::held, number};
    if (info.si_status == (SIGTRAP | 0x80)) // PTRACE_O_TRACESYSGOOD
        return {Event::call, 0};
    return {Event::signal, number};
}

Seized seize_with(pid_t tid, std::uint64_t options) {
    // Without TRACESYSGOOD a tracer's death during a stop at a system call would leave a SIGTRAP behind.
    if (trace(PTRACE_SEIZE, tid, 0, number_argument(PTRACE_O_TRACESYSGOOD | options)))
        return Seized::yes;
    if (errno == ESRCH)
        return Seized::gone;
    const auto status = read_status(static_cast<std::uint64_t>(tid));
    const bool dead = !status || status->state == 'Z' || status->state == 'X';
    return dead ? Seized::gone : Seized::refused;
}

/// Looks before the first pause: most stops take some 20 us.
constexpr int kQuickLooks = 100;

/// Sleeping, not yielding: on a busy machine who slept runs soon, who yields waits for all others.
void pause_after(int looks) {
    if (looks < kQuickLooks)
        return;
    const timespec time{0, looks < 2 * kQuickLooks ? 20'000 : 500'000};
    ::nanosleep(&time, nullptr);
}

} // namespace

Seized seize(pid_t tid) {
    return seize_with(tid, 0);
}

Seized seize_to_start(pid_t tid) {
    return seize_with(tid, PTRACE_O_EXITKILL);
}

bool interrupt(pid_t tid) {
    return trace(PTRACE_INTERRUPT, tid, 0, nullptr);
}

Report report(pid_t tid, Deadline deadline) {
    for (int looks = 0;; ++looks) {
        siginfo_t info{};
        if (::waitid(P_PID, static_cast<id_t>(tid), &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) < 0) {
            if (errno != EINTR)
                return {Event::ended, 0};
        } else if (info.si_pid == tid) {
            return decode(info);
        }
        if (looks >= kQuickLooks && std::chrono::steady_clock::now() >= deadline)
            return {};
        pause_after(looks);
    }
}

bool detach(pid_t tid, int number) {
    return trace(PTRACE_DETACH, tid, 0, number_argument(static_cast<std::uint64_t>(number)));
}

bool resume(pid_t tid, int number) {
    return trace(PTRACE_CONT, tid, 0, number_argument(static_cast<std::uint64_t>(number)));
}

bool resume_to_call(pid_t tid, int number) {
    return trace(PTRACE_SYSCALL, tid, 0, number_argument(static_cast<std::uint64_t>(number)));
}

bool stay_held(pid_t tid) {
    return trace(PTRACE_LISTEN, tid, 0, nullptr);
}

void bury(pid_t tid) {
    // The end of a child of this process is for who started it.
    const auto status = read_status(static_cast<std::uint64_t>(tid));
    if (status && status->process == static_cast<std::uint64_t>(tid) &&
        status->parent == static_cast<std::uint64_t>(::getpid()))
        return;
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(tid), &info, WEXITED | WNOHANG | __WALL);
}

bool get_registers(pid_t tid, arch::Registers& registers) {
    iovec space{registers.words.data(), sizeof registers.words};
    if (!trace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &space))
        return false;
    registers.size = space.iov_len;
    return arch::read_further(tid, registers);
}

bool set_registers(pid_t tid, const arch::Registers& registers) {
    iovec space{const_cast<std::uint64_t*>(registers.words.data()), registers.size};
    return trace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &space);
}

Bytes get_vector_registers(pid_t tid) {
    Bytes bytes(0x4000);
    iovec space{bytes.data(), bytes.size()};
    if (!trace(PTRACE_GETREGSET, tid, static_cast<std::uint64_t>(arch::kVectorRegisterSet), &space))
        return {};
    bytes.resize(space.iov_len);
    return bytes;
}

bool get_mask(pid_t tid, std::uint64_t& mask) {
    return trace(PTRACE_GETSIGMASK, tid, sizeof mask, &mask);
}

bool set_mask(pid_t tid, std::uint64_t mask) {
    return trace(PTRACE_SETSIGMASK, tid, sizeof mask, &mask);
}

std::optional<std::uint64_t> own_pending(pid_t tid) {
    /// At most this many are looked at; faults are rare and come once.
    constexpr int kMost = 32;

    std::array<siginfo_t, kMost> found;
    __ptrace_peeksiginfo_args which{0, 0, kMost};
    const long count = ::ptrace(PTRACE_PEEKSIGINFO, tid, static_cast<void*>(&which), static_cast<void*>(found.data()));
    if (count < 0 || count == kMost)
        return std::nullopt;
    std::uint64_t signals = 0;
    for (long i = 0; i < count; ++i)
        signals |= std::uint64_t{1} << (found[static_cast<std::size_t>(i)].si_signo - 1);
    return signals;
}

std::string refusal(std::uint64_t tid) {
    const auto status = read_status(tid);
    if (status && status->tracer != 0)
        return fmt::format("is traced by process {}", describe_process(status->tracer));
    return fmt::format("may not be traced by user {}", describe_user(::geteuid()));
}

} // namespace suture::loader::tracing
