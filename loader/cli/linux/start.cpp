#include "loader/cli/linux/start.hpp"

#include "loader/cli/exit_code.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace suture::cli {

namespace {

/// Tells a waiting process to become the program; anything else is the exit code to end with.
constexpr unsigned char kGo = 0xff;

bool is_pe_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::array<char, 2> start{};
    return file.read(start.data(), start.size()) && start == std::array{'M', 'Z'};
}

bool is_program(const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

std::string find_wine() {
    const char* folders = std::getenv("PATH");
    for (const char* name : {"wine64", "wine"}) {
        std::istringstream path(folders ? folders : "");
        for (std::string folder; std::getline(path, folder, ':');)
            if (const auto file = std::filesystem::path(folder.empty() ? "." : folder) / name; is_program(file))
                return file;
    }
    constexpr const char* kDebianWine = "/usr/lib/wine/wine64"; // which Debian puts in no folder of PATH
    return is_program(kDebianWine) ? kDebianWine : "";
}

/// In the process that becomes the program.
[[noreturn]] void become(const std::vector<std::string>& command, int orders, int failures) {
    unsigned char order = 0;
    ssize_t got = 0;
    do
        got = ::read(orders, &order, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1) // the helper died
        ::_exit(static_cast<int>(Exit::target_gone));
    if (order != kGo)
        ::_exit(order);
    ::prctl(PR_SET_PTRACER, 0, 0, 0, 0);
    std::vector<char*> words;
    for (const std::string& word : command)
        words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words.front(), words.data());
    const int reason = errno;
    static_cast<void>(!::write(failures, &reason, sizeof reason));
    ::_exit(static_cast<int>(Exit::bad_input));
}

} // namespace

Result<std::vector<std::string>> start_command(std::vector<std::string> command) {
    if (!is_pe_file(command.front()))
        return command;
    std::string wine = find_wine();
    if (wine.empty())
        return fail(Error(Code::file_unreadable, "no wine64 or wine in PATH, and no /usr/lib/wine/wine64")
                        .in_image(command.front()));
    command.insert(command.begin(), std::move(wine));
    return command;
}

Result<Waiting> Waiting::split(const std::vector<std::string>& command) {
    std::array<int, 2> orders{};
    std::array<int, 2> failures{};
    const auto failed = [](std::string_view what) {
        return fail(Code::target_gone, std::string(what) + ": " + std::strerror(errno));
    };
    if (::pipe2(orders.data(), O_CLOEXEC) != 0 || ::pipe2(failures.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return failed("pipe");
    const pid_t program = ::getpid();
    // Where only ancestors may trace, the helper, which is none, needs leave; it ends with exec().
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    // A helper that were a child of the program would be one that the program knows nothing of: its parent ends at
    // once.
    const pid_t between = ::fork();
    if (between < 0)
        return failed("fork");
    if (between == 0) {
        const pid_t helper = ::fork();
        if (helper != 0)
            ::_exit(helper > 0 ? 0 : 1);
        ::close(orders[0]);
        ::close(failures[1]);
        return Waiting(program, orders[1], failures[0]);
    }
    ::close(orders[1]);
    ::close(failures[0]);
    int status = 0;
    while (::waitpid(between, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0)
        return failed("fork");
    become(command, orders[0], failures[1]);
}

void Waiting::go() {
    answer(kGo);
}

void Waiting::end(int exit_code) {
    answer(exit_code);
}

void Waiting::answer(int order) {
    const auto byte = static_cast<unsigned char>(order);
    static_cast<void>(!::write(orders_, &byte, 1));
}

const std::string& Waiting::failure() {
    int reason = 0;
    if (failure_.empty() && ::read(failures_, &reason, sizeof reason) == sizeof reason)
        failure_ = std::strerror(reason);
    return failure_;
}

} // namespace suture::cli
