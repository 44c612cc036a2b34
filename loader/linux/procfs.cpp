#include "loader/linux/procfs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace suture::loader {

namespace {

std::unexpected<Error> proc_failure(std::uint64_t pid, std::string_view name, int error) {
    if (error == ENOENT || error == ESRCH)
        return fail(Code::target_gone, fmt::format("there is no process {}", pid));
    return fail(Code::target_inaccessible, fmt::format("/proc/{}/{}: {}", pid, name, std::strerror(error)));
}

std::uint64_t number(std::string_view text, int base = 10) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, base);
    return value;
}

/// The second field of "real effective saved file-system".
std::uint64_t second_number(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    text.remove_prefix(std::min(text.find_first_of(" \t"), text.size()));
    return number(text);
}

} // namespace

Result<std::string> read_proc(std::uint64_t pid, std::string_view name) {
    const std::string path = fmt::format("/proc/{}/{}", pid, name);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return proc_failure(pid, name, errno);
    std::string text;
    std::size_t size = 0;
    ssize_t got = 0;
    do {
        size += static_cast<std::size_t>(got);
        if (text.size() - size < 4096)
            text.resize(std::min(std::max<std::size_t>(2 * text.size(), 16384), kMaxProcFile));
        got = ::read(fd, text.data() + size, text.size() - size);
    } while (got > 0);
    const int error = errno;
    ::close(fd);
    if (got < 0)
        return proc_failure(pid, name, error);
    text.resize(size);
    return text;
}

Status parse_status(std::string_view text) {
    Status status;
    while (!text.empty()) {
        const std::size_t length = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, length);
        text.remove_prefix(std::min(length + 1, text.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos)
            continue;
        const std::string_view key = line.substr(0, colon);
        std::string_view value = line.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
        if (key == "Name")
            status.name = value;
        else if (key == "State" && !value.empty())
            status.state = value.front();
        else if (key == "Tgid")
            status.process = number(value);
        else if (key == "PPid")
            status.parent = number(value);
        else if (key == "TracerPid")
            status.tracer = number(value);
        else if (key == "Uid")
            status.user = second_number(value);
        else if (key == "Gid")
            status.group = second_number(value);
        else if (key == "SigCgt")
            status.caught = number(value, 16);
        else if (key == "Kthread")
            status.kernel_thread = number(value) != 0;
        else if (key == "x86_Thread_features")
            status.shadow_stack = value.find("shstk") != std::string_view::npos;
    }
    return status;
}

Result<Status> read_status(std::uint64_t pid) {
    SUTURE_TRY(const std::string text, read_proc(pid, "status"));
    return parse_status(text);
}

std::string describe_process(std::uint64_t pid) {
    const auto status = read_status(pid);
    return status ? fmt::format("{} ({})", pid, status->name) : fmt::format("{}", pid);
}

std::string describe_user(std::uint64_t user) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    ::getpwuid_r(static_cast<uid_t>(user), &entry, buffer.data(), buffer.size(), &found);
    return found ? fmt::format("{} ({})", found->pw_name, user) : fmt::format("{}", user);
}

namespace {

/// Entries of a folder of /proc that are numbers; empty if it is gone.
template <class Number>
std::vector<Number> list_numbers(const std::string& path) {
    std::vector<Number> numbers;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (!directory)
        return numbers;
    while (const dirent* entry = ::readdir(directory.get())) {
        const auto value = number(entry->d_name);
        if (value != 0)
            numbers.push_back(static_cast<Number>(value));
    }
    return numbers;
}

} // namespace

std::vector<std::uint64_t> list_pids() {
    auto pids = list_numbers<std::uint64_t>("/proc");
    std::ranges::sort(pids);
    return pids;
}

std::vector<pid_t> list_threads(std::uint64_t pid) {
    return list_numbers<pid_t>(fmt::format("/proc/{}/task", pid));
}

} // namespace suture::loader
