#pragma once

#include "engine/core/result.hpp"
#include "loader/linux/arch.hpp"
#include "loader/linux/tracing.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace suture::loader {

/// How long a thread may take to stop, to come back from a call, or to be let go by another tracer; far more than it
/// ever takes where nothing is wrong.
inline constexpr std::chrono::seconds kPatience{5};

struct StoppedThread {
    pid_t tid = 0;
    tracing::Report how;
    arch::Registers registers; ///< with which it goes on
};

/// Threads that are attached to and stopped; they run on when this ends.
class StoppedThreads {
  public:
    /// Every thread of the process, those that were born meanwhile too.
    /// Errors: target_gone, target_stop_failed (who traces it, or which thread does not stop).
    static Result<StoppedThreads> all(std::uint64_t pid);
    /// One thread; empty if it ended, or does not stop by itself. Errors: target_stop_failed.
    static Result<StoppedThreads> one(std::uint64_t pid, pid_t tid);

    /// The only thread of its process, which is attached to and stopped already.
    static StoppedThreads of(StoppedThread thread);
    /// None.
    static StoppedThreads none(std::uint64_t pid) { return StoppedThreads(pid); }

    StoppedThreads(StoppedThreads&& other) noexcept
        : pid_(other.pid_), began_(other.began_), threads_(std::exchange(other.threads_, {})) {}
    StoppedThreads& operator=(StoppedThreads&&) = delete;
    ~StoppedThreads() { release(); }

    std::vector<StoppedThread>& threads() { return threads_; }
    const std::vector<StoppedThread>& threads() const { return threads_; }
    /// When the first of them was asked to stop.
    std::chrono::steady_clock::time_point began() const { return began_; }
    /// Lets them run on. False if one of them was gone.
    bool release();

  private:
    explicit StoppedThreads(std::uint64_t pid) : pid_(pid) {}
    static Result<StoppedThreads> try_all(std::uint64_t pid, tracing::Deadline deadline);
    Result<bool> attach(pid_t tid, std::chrono::milliseconds patience);
    Result<void> await(std::size_t first, tracing::Deadline deadline);

    std::uint64_t pid_;
    std::chrono::steady_clock::time_point began_;
    std::vector<StoppedThread> threads_;
};

} // namespace suture::loader
