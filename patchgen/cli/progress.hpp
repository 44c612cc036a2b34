#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace suture::cli {

/// What a command does, in this order.
enum class Phase { read, compare, emit, prove };

/// A bar on standard error that says what takes so long; only on a terminal, and only from the second second on.
class Progress {
  public:
    explicit Progress(bool wanted);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// A phase begins. `what` is shown.
    void begin(Phase phase, std::string what);

  private:
    using Clock = std::chrono::steady_clock;

    void run(const std::stop_token& stop);
    std::string line() const;

    std::mutex mutex_;
    std::condition_variable_any changed_;
    Clock::time_point started_ = Clock::now();
    Clock::time_point phase_started_ = started_;
    Phase phase_ = Phase::read;
    std::string what_;
    std::jthread thread_;
};

} // namespace suture::cli
