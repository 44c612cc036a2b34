#include "patchgen/cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace suture::cli {

Progress::Progress(bool wanted) {
    if (wanted && ::isatty(STDERR_FILENO) != 0)
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Progress::~Progress() {
    if (!thread_.joinable())
        return;
    thread_.request_stop();
    changed_.notify_all();
}

void Progress::stage(std::string what) {
    const std::lock_guard lock(mutex_);
    stage_ = std::move(what);
}

void Progress::run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    bool shown = false;
    for (int seconds = 1;
         !changed_.wait_for(lock, stop, std::chrono::seconds(1), [&] { return stop.stop_requested(); }); ++seconds) {
        const std::string line = fmt::format("\r\x1b[K{} ... {} s", stage_, seconds);
        std::fwrite(line.data(), 1, line.size(), stderr);
        shown = true;
    }
    if (shown)
        std::fputs("\r\x1b[K", stderr);
}

} // namespace suture::cli
