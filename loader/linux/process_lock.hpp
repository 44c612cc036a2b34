#pragma once

#include "engine/core/result.hpp"

#include <cstdint>

namespace suture::loader {

/// Held by the one injector that changes a process; two would overwrite each other's ledger. It is a name that the
/// kernel knows (an abstract Unix socket), so that it ends with its holder, however that ends.
class ProcessLock {
  public:
    /// Errors: target_gone, operation_in_progress.
    static Result<ProcessLock> take(std::uint64_t pid);
    ~ProcessLock();
    ProcessLock(ProcessLock&& other) noexcept;
    ProcessLock& operator=(ProcessLock&&) = delete;

  private:
    explicit ProcessLock(int socket) : socket_(socket) {}

    int socket_;
};

} // namespace suture::loader
