#pragma once

#include "engine/core/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace suture::loader {

/// What can be told of a process from outside, without attaching to it: whether it still runs, and whether anything has
/// become of it that it does not come back from.
class Health {
  public:
    /// Of a process that runs a PE image. Errors: those of open_process().
    static Result<Health> of(std::uint64_t pid);

    /// What is wrong, in a clause, or empty: its first thread has ended, or a debugger was started for an exception
    /// that nothing in it handles (Wine's AeDebug; on Linux alone). Being stopped or traced is somebody's wish. Errors: target_gone.
    Result<std::string> fault() const;

  private:
    Health(std::uint64_t pid, std::uint64_t windows_pid, std::shared_ptr<void> process = nullptr)
        : pid_(pid), windows_pid_(windows_pid), process_(std::move(process)) {}

    std::uint64_t pid_;
    std::uint64_t windows_pid_;
    std::shared_ptr<void> process_; ///< on Windows: its handle
};

} // namespace suture::loader
