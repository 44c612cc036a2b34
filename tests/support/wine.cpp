#include "tests/support/wine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace suture::test {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

std::string read_file(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

/// The test's own environment and what Wine needs, as NAME=VALUE.
std::vector<std::string> wine_environment(const std::vector<std::pair<std::string, std::string>>& additions) {
    std::map<std::string, std::string> variables;
    for (char** variable = environ; *variable; ++variable) {
        const std::string_view text = *variable;
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos)
            variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
    }
    variables.erase("DISPLAY");
    variables["WINEPREFIX"] = SUTURE_WINE_PREFIX;
    variables["WINESERVER"] = SUTURE_WINESERVER;
    variables["WINEDEBUG"] = "-all";
    variables["WINEDLLOVERRIDES"] = "mscoree,mshtml,winemenubuilder.exe=d";
    for (const auto& [name, value] : additions)
        variables[name] = value;
    std::vector<std::string> list;
    for (const auto& [name, value] : variables)
        list.push_back(name + "=" + value);
    return list;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (std::string& text : strings)
        pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

/// Wine's server and services outlive the program and keep its output open: hence a file, never a pipe.
pid_t spawn(const std::vector<std::string>& command, const WineOptions& options, const fs::path& output) {
    std::vector<std::string> arguments = command;
    std::vector<std::string> environment = wine_environment(options.environment);
    const std::vector<char*> argv = pointers_to(arguments);
    const std::vector<char*> envp = pointers_to(environment);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid != 0)
        return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int in = ::open("/dev/null", O_RDONLY);
    const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    const bool in_directory = options.directory.empty() || ::chdir(options.directory.c_str()) == 0;
    if (::getppid() != parent || in < 0 || out < 0 || !in_directory || ::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 ||
        ::dup2(out, 2) < 0)
        ::_exit(126);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
}

void make_prefix() {
    static std::atomic<bool> made{false};
    if (made)
        return;
    const fs::path prefix = SUTURE_WINE_PREFIX;
    const fs::path done = prefix / "made-for-tests";
    const int lock = ::open((prefix.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0 || ::flock(lock, LOCK_EX) != 0)
        throw std::runtime_error(fmt::format("cannot lock {}.lock: {}", prefix.string(), std::strerror(errno)));
    if (!fs::exists(done)) {
        fs::create_directories(prefix);
        const fs::path log = prefix.string() + ".log";
        const pid_t pid = spawn({SUTURE_WINE, "wineboot", "-i"}, {}, log);
        int status = 0;
        if (pid < 0 || ::waitpid(pid, &status, 0) != pid || status != 0)
            throw std::runtime_error("cannot make a Wine prefix: " + read_file(log));
        std::ofstream{done};
    }
    ::close(lock);
    made = true;
}

/// Polls until `condition` holds. False after `patience`.
template <class Condition>
bool poll_until(Condition condition, std::chrono::milliseconds patience) {
    const auto deadline = Clock::now() + patience;
    while (!condition()) {
        if (Clock::now() >= deadline)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

} // namespace

fs::path program_path(std::string_view name) {
    return fs::path(SUTURE_TEST_PROGRAMS) / name;
}

WineProcess::WineProcess(const fs::path& program, WineOptions options) {
    static std::atomic<unsigned> count{0};
    make_prefix();
    output_ = fs::temp_directory_path() / fmt::format("suture-test-{}-{}.out", ::getpid(), ++count);
    std::vector<std::string> command{SUTURE_WINE, fs::absolute(program).string()};
    command.insert(command.end(), options.arguments.begin(), options.arguments.end());
    pid_ = spawn(command, options, output_);
    if (pid_ < 0)
        throw std::runtime_error(fmt::format("cannot start {}: {}", SUTURE_WINE, std::strerror(errno)));
    const auto is_ready = [&] {
        if (!options.ready.empty())
            return output().find(options.ready) != std::string::npos;
        return read_file(fmt::format("/proc/{}/maps", pid_)).find(program.filename().string()) != std::string::npos;
    };
    poll_until([&] { return is_ready() || !running(); }, options.patience);
    if (!is_ready()) {
        const std::string what = fmt::format("{} did not become ready (exit code {}): {}", program.string(),
                                             exit_code_ ? *exit_code_ : -1, output());
        kill();
        fs::remove(output_);
        throw std::runtime_error(what);
    }
}

WineProcess::~WineProcess() {
    kill();
    std::error_code ignored;
    fs::remove(output_, ignored);
}

bool WineProcess::running() {
    int status = 0;
    if (exit_code_)
        return false;
    if (::waitpid(pid_, &status, WNOHANG) != pid_)
        return true;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

std::string WineProcess::output() const {
    return read_file(output_);
}

std::string WineProcess::last_line(std::string_view prefix) const {
    std::istringstream lines(output());
    std::string found;
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
        if (line.starts_with(prefix))
            found = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    }
    return found;
}

bool WineProcess::wait_for(std::string_view text, std::chrono::milliseconds patience, std::size_t from) {
    const auto is_there = [&] { return output().find(text, from) != std::string::npos; };
    poll_until([&] { return is_there() || !running(); }, patience);
    return is_there();
}

std::optional<int> WineProcess::wait_exit(std::chrono::milliseconds patience) {
    poll_until([&] { return !running(); }, patience);
    return exit_code_;
}

void WineProcess::kill() {
    if (pid_ < 0 || exit_code_)
        return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace suture::test
