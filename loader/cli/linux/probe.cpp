#include "loader/cli/probe.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace suture::cli {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{5};

[[noreturn]] void become_probe(const std::string& command, const std::string& pid, bool verbose) {
    ::setpgid(0, 0);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        std::signal(signal, SIG_DFL);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(verbose ? STDERR_FILENO : nothing, STDOUT_FILENO);
    if (!verbose)
        ::dup2(nothing, STDERR_FILENO);
    ::setenv("SUTURE_PID", pid.c_str(), 1);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
}

std::string outcome_of(int status) {
    if (WIFSIGNALED(status))
        return fmt::format("signal {} ended it", WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? std::string() : fmt::format("exit code {}", WEXITSTATUS(status));
}

} // namespace

std::string run_probe(const std::string& command, std::uint64_t pid, std::chrono::nanoseconds patience, bool verbose) {
    const std::string number = std::to_string(pid);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const pid_t child = ::fork();
    if (child < 0)
        return fmt::format("it cannot be started: {}", std::strerror(errno));
    if (child == 0)
        become_probe(command, number, verbose);
    ::setpgid(child, child); // whoever comes first
    int status = 0;
    for (;;) {
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR)) {
            ::kill(-child, SIGKILL);
            return outcome_of(status);
        }
        if (std::chrono::steady_clock::now() >= deadline)
            break;
        std::this_thread::sleep_for(kBetweenLooks);
    }
    ::kill(-child, SIGKILL);
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return fmt::format("it did not end within {} s", std::chrono::duration<double>(patience).count());
}

} // namespace suture::cli
