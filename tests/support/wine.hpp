#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace suture::test {

/// Of a PE program that tests/support/CMakeLists.txt builds, e.g. "threads.exe".
std::filesystem::path program_path(std::string_view name);

struct WineOptions {
    std::vector<std::string> arguments = {};
    /// Set in addition to the test's own environment.
    std::vector<std::pair<std::string, std::string>> environment = {};
    /// Of the program; the test's own where empty.
    std::filesystem::path directory = {};
    /// Text that the program writes once it is ready; start() waits for it. Where empty, start() waits until the image
    /// is mapped.
    std::string ready = {};
    std::chrono::seconds patience{60};
};

/// A PE program that runs under Wine, in the prefix `wine-prefix` of the build folder, which the first one to need it
/// makes (some 7 s, under a lock). Its standard output and error go to a file. Ends with this object, or with the
/// thread that started it.
class WineProcess {
  public:
    /// Throws std::runtime_error, with what the program wrote, if it does not become ready: a test then fails.
    explicit WineProcess(const std::filesystem::path& program, WineOptions options = {});
    ~WineProcess();
    WineProcess(const WineProcess&) = delete;
    WineProcess& operator=(const WineProcess&) = delete;

    /// The Linux PID of the process in which the image runs.
    pid_t pid() const { return pid_; }
    bool running();
    /// Standard output and error so far.
    std::string output() const;
    /// The last complete line that begins with `prefix`, without its line end; empty if there is none.
    std::string last_line(std::string_view prefix = "") const;
    /// Waits until `text` is in what was written from the offset `from` on. False if it does not come, or the process
    /// ends.
    bool wait_for(std::string_view text, std::chrono::milliseconds patience = std::chrono::seconds(30),
                  std::size_t from = 0);
    /// The exit code (128 + signal, where a signal ended it), or nothing while it is still running after `patience`.
    std::optional<int> wait_exit(std::chrono::milliseconds patience);
    /// SIGKILL, and waits for its end.
    void kill();

  private:
    pid_t pid_ = -1;
    std::optional<int> exit_code_;
    std::filesystem::path output_;
};

} // namespace suture::test
