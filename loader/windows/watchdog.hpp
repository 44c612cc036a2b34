#pragma once

#include "engine/core/address.hpp"
#include "engine/core/result.hpp"
#include "loader/windows/handle.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace suture::loader {

/// What is to be undone in a process if this one ends before it has done so itself; both read it.
struct Unfinished {
    static constexpr std::size_t kMaxPages = std::size_t{1} << 16;
    struct Opened {
        std::uint64_t at, size;
        std::uint32_t protection; ///< to be given back
    };

    std::atomic<std::uint32_t> ready;   ///< set by the watchdog
    std::atomic<std::uint32_t> stopped; ///< the process is to be resumed
    std::atomic<std::uint64_t> view;    ///< a view that is being made; nothing leads to it yet
    std::atomic<std::uint64_t> call;    ///< a view that a thread may be in, which ends by itself
    std::atomic<std::uint32_t> opened_count;
    Opened opened[kMaxPages]; ///< pages that are writable while they are written
};

/// Windows lets a process stay suspended when who suspended it ends. So a process of its own waits for the end of this
/// one, and then gives the pages their protection back and lets the threads run. It is this program, started once more
/// and without a window: its main() must begin with become_watchdog().
class Watchdog {
  public:
    /// Error: target_stop_failed (it does not start).
    static Result<Watchdog> start(HANDLE process);
    Watchdog(Watchdog&& other) noexcept;
    Watchdog& operator=(Watchdog&&) = delete;
    /// Lets it end.
    ~Watchdog();

    Unfinished& unfinished() { return *shared_; }

  private:
    Watchdog(Handle section, Handle over, Handle helper, Unfinished* shared)
        : section_(std::move(section)), over_(std::move(over)), helper_(std::move(helper)), shared_(shared) {}

    Handle section_;
    Handle over_;
    Handle helper_;
    Unfinished* shared_;
};

/// Where this process was started as a watchdog: does its work and returns the exit code. Else nothing.
std::optional<int> become_watchdog(int argc, char** argv);

/// Waits until no watchdog has anything left to do in the process, or `milliseconds` have passed (false).
bool wait_for_watchdogs(HANDLE process, DWORD milliseconds);

/// A name for kernel objects that is about this process and never its successor: by PID and start.
std::optional<std::wstring> name_about(HANDLE process, std::string_view what);

} // namespace suture::loader
