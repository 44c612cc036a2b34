#include "loader/host/health.hpp"

#include "loader/linux/maps.hpp"
#include "loader/linux/memory.hpp"
#include "loader/linux/procfs.hpp"
#include "loader/linux/wine.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

namespace suture::loader {

namespace {

/// The words of a command line, as /proc/PID/cmdline has them.
std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
        const std::size_t end = std::min(line.find('\0'), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return words;
}

/// "winedbg --auto PID EVENT", as Wine's registry has it for AeDebug; PID is Windows's.
bool is_debugger_of(const std::vector<std::string_view>& words, std::uint64_t windows_pid) {
    const std::string pid = std::to_string(windows_pid);
    for (std::size_t i = 1; i + 1 < words.size(); ++i)
        if (words[i] == "--auto" && words[i + 1] == pid && words[i - 1].find("winedbg") != std::string_view::npos)
            return true;
    return false;
}

std::optional<std::uint64_t> find_debugger(std::uint64_t windows_pid) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename();
        std::uint64_t pid = 0;
        const auto [rest, parsed] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed != std::errc() || rest != name.data() + name.size())
            continue;
        if (const auto line = read_proc(pid, "cmdline"); line && is_debugger_of(words_of(*line), windows_pid))
            return pid;
    }
    return std::nullopt;
}

} // namespace

Result<Health> Health::of(std::uint64_t pid) {
    SUTURE_TRY(const Memory memory, Memory::open(pid));
    SUTURE_TRY(const auto maps, read_maps(pid));
    SUTURE_TRY(const WineProcess wine, find_wine_process(memory, maps));
    return Health(pid, wine.windows_pid);
}

Result<std::string> Health::fault() const {
    SUTURE_TRY(const Status status, read_status(pid_));
    if (status.state == 'X' || (status.state == 'Z' && list_threads(pid_).size() <= 1))
        return fail(Code::target_gone, fmt::format("process {} ({}) has ended", pid_, status.name));
    if (status.state == 'Z')
        return std::string("its first thread has ended");
    if (const auto debugger = find_debugger(windows_pid_))
        return fmt::format("Wine has started a debugger for an exception that it does not handle (process {})",
                           *debugger);
    return std::string();
}

} // namespace suture::loader
