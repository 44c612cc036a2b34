#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"
#include "loader/windows/memory.hpp"
#include "loader/windows/watchdog.hpp"

#include <chrono>
#include <vector>

namespace suture::loader {

/// All threads of a process, suspended. The watchdog ends it where this process cannot.
class Suspension {
  public:
    /// Errors: target_stop_failed, target_gone.
    static Result<Suspension> of(const Memory& memory, Unfinished& unfinished);
    Suspension(Suspension&& other) noexcept;
    Suspension& operator=(Suspension&&) = delete;
    ~Suspension() { release(); }

    std::chrono::steady_clock::time_point began() const { return began_; }
    const std::vector<target::ThreadState>& threads() const { return threads_; }

    /// Writes by one system call and reads back. What must be made writable for it stays so until the threads run again.
    bool write(VaRange pages, Va at, ByteView bytes);
    /// Gives pages their protection back and lets the threads run; false if any of it failed.
    bool release();

  private:
    Suspension(const Memory& memory, Unfinished& unfinished);
    Result<void> look();
    bool open(VaRange pages);

    const Memory* memory_;
    Unfinished* unfinished_; ///< null: released
    std::chrono::steady_clock::time_point began_;
    std::vector<target::ThreadState> threads_;
};

} // namespace suture::loader
