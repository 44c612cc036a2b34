#include "patchgen/cli/progress.hpp"

#include "patchgen/cli/plain_text.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace suture::cli {

namespace {

using Seconds = std::chrono::duration<double>;

/// Share of each phase in the whole, as measured on images of 1 to 100 MB; ends with the whole.
constexpr double kBegins[] = {0.0, 0.45, 0.80, 0.84, 1.0};
/// What the first phase is taken to last, until it has shown it.
constexpr double kFirstGuess = 2.0;
constexpr int kBarWidth = 30;

std::size_t columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

} // namespace

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

void Progress::begin(Phase phase, std::string what) {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
    phase_started_ = Clock::now();
    what_ = plain(what);
}

std::string Progress::line() const {
    const auto now = Clock::now();
    const auto index = static_cast<std::size_t>(phase_);
    const double share = kBegins[index + 1] - kBegins[index];
    // The phases that are done say how long the whole may take. What takes longer slows down, and never arrives.
    const double whole =
        index == 0 ? kFirstGuess / kBegins[1] : Seconds(phase_started_ - started_).count() / kBegins[index];
    const double spent = Seconds(now - phase_started_).count();
    const double done = kBegins[index] + share * spent / (spent + whole * share);
    const int filled = static_cast<int>(done * kBarWidth);
    const std::string text = fmt::format("{:>3.0f} % [{:#<{}}{:.<{}}] {:>3.0f} s  {}", 100 * done, "", filled, "",
                                         kBarWidth - filled, Seconds(now - started_).count(), what_);
    return text.substr(0, columns() - 1);
}

void Progress::run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    bool shown = false;
    auto wait = std::chrono::milliseconds(1000);
    while (!changed_.wait_for(lock, stop, wait, [&] { return stop.stop_requested(); })) {
        const std::string text = "\r\x1b[K" + line();
        std::fwrite(text.data(), 1, text.size(), stderr);
        shown = true;
        wait = std::chrono::milliseconds(200);
    }
    if (shown)
        std::fputs("\r\x1b[K", stderr);
}

} // namespace suture::cli
