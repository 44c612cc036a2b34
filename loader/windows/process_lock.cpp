#include "loader/host/process_lock.hpp"

#include "loader/windows/memory.hpp"
#include "loader/windows/watchdog.hpp"

#include <fmt/format.h>

namespace suture::loader {

namespace {

/// For the watchdog of an injector that has died to do its work.
constexpr DWORD kPatience = 10'000;

class Held {
  public:
    explicit Held(Handle mutex) : mutex_(std::move(mutex)) {}
    ~Held() { ::ReleaseMutex(mutex_.get()); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

  private:
    Handle mutex_;
};

} // namespace

Result<ProcessLock> ProcessLock::take(std::uint64_t pid) {
    const Handle process(::OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(pid)));
    const auto name = process ? name_about(process.get(), "lock") : std::nullopt;
    if (!name)
        return fail(Code::target_gone, fmt::format("there is no process {}", pid));
    Handle mutex(::CreateMutexW(nullptr, FALSE, name->c_str()));
    if (!mutex)
        return fail(Code::operation_in_progress,
                    fmt::format("process {}: no lock on it could be taken ({})", pid, last_error()));
    const DWORD outcome = ::WaitForSingleObject(mutex.get(), 0);
    if (outcome != WAIT_OBJECT_0 && outcome != WAIT_ABANDONED)
        return fail(Code::operation_in_progress, fmt::format("process {}", pid));
    auto held = std::make_shared<Held>(std::move(mutex));
    if (!wait_for_watchdogs(process.get(), kPatience))
        return fail(Code::operation_in_progress, fmt::format("process {}: it is being let go", pid));
    return ProcessLock(std::move(held));
}

} // namespace suture::loader
