#pragma once

#include "engine/core/result.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace suture::loader {

/// Held by the one injector that changes a process; two would overwrite each other's ledger. It is a name that the
/// kernel knows (an abstract Unix socket, a mutex of Windows), so that it ends with its holder, however that ends. Taken
/// and let go by the same thread.
class ProcessLock {
  public:
    /// Errors: target_gone, operation_in_progress.
    static Result<ProcessLock> take(std::uint64_t pid);

  private:
    explicit ProcessLock(std::shared_ptr<void> held) : held_(std::move(held)) {}

    std::shared_ptr<void> held_; ///< whose end lets the name go
};

} // namespace suture::loader
