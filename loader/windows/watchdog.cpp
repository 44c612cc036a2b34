#include "loader/windows/watchdog.hpp"

#include "loader/windows/memory.hpp"
#include "loader/windows/nt.hpp"
#include "loader/windows/remote_call.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace suture::loader {

namespace {

constexpr std::string_view kAsWatchdog = "--suture-watchdog";
/// For a process to start.
constexpr std::chrono::seconds kPatience{30};

/// Of ASCII.
std::wstring wide(std::string_view text) {
    return std::wstring(text.begin(), text.end());
}

SECURITY_ATTRIBUTES inheritable() {
    return {sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
}

std::uint64_t number_of(const Handle& handle) {
    return reinterpret_cast<std::uint64_t>(handle.get());
}

/// One that a child may have under the same number.
Handle for_child(HANDLE handle, DWORD access) {
    HANDLE copy = nullptr;
    ::DuplicateHandle(::GetCurrentProcess(), handle, ::GetCurrentProcess(), &copy, access, TRUE, 0);
    return Handle(copy);
}

/// Starts this program with these words, with no handle of this process but those.
Handle start_self(std::wstring words, std::span<HANDLE> handles) {
    std::array<wchar_t, 32768> program{};
    if (::GetModuleFileNameW(nullptr, program.data(), program.size()) == 0)
        return {};
    SIZE_T size = 0;
    ::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    std::vector<std::byte> room(size);
    auto* const attributes = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(room.data());
    if (!::InitializeProcThreadAttributeList(attributes, 1, 0, &size))
        return {};
    STARTUPINFOEXW startup{};
    startup.StartupInfo.cb = sizeof startup;
    startup.lpAttributeList = attributes;
    PROCESS_INFORMATION started{};
    const bool done = ::UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles.data(),
                                                  handles.size_bytes(), nullptr, nullptr) &&
                      ::CreateProcessW(program.data(), words.data(), nullptr, nullptr, TRUE,
                                       DETACHED_PROCESS | EXTENDED_STARTUPINFO_PRESENT, nullptr, nullptr,
                                       &startup.StartupInfo, &started);
    ::DeleteProcThreadAttributeList(attributes);
    if (!done)
        return {};
    const Handle thread(started.hThread);
    return Handle(started.hProcess);
}

/// In the order in which an injector would do it.
void undo(HANDLE process, const Unfinished& unfinished) {
    const Memory memory(process);
    const std::size_t count = std::min<std::size_t>(unfinished.opened_count, Unfinished::kMaxPages);
    for (std::size_t i = 0; i < count; ++i)
        memory.protect({Va{unfinished.opened[i].at}, unfinished.opened[i].size}, unfinished.opened[i].protection);
    if (unfinished.view != 0)
        NtUnmapViewOfSection(process, reinterpret_cast<void*>(unfinished.view.load()));
    if (unfinished.stopped != 0)
        NtResumeProcess(process);
    if (unfinished.call != 0)
        end_remote_call(memory, Va{unfinished.call}, kPatience);
}

} // namespace

std::optional<std::wstring> name_about(HANDLE process, std::string_view what) {
    FILETIME started{};
    FILETIME unused{};
    if (!::GetProcessTimes(process, &started, &unused, &unused, &unused))
        return std::nullopt;
    return wide(fmt::format("Global\\suture-{}-{}-{:x}{:08x}", what, ::GetProcessId(process), started.dwHighDateTime,
                            started.dwLowDateTime));
}

bool wait_for_watchdogs(HANDLE process, DWORD milliseconds) {
    const auto name = name_about(process, "undo");
    if (!name)
        return true; // it has ended
    const Handle mutex(::OpenMutexW(SYNCHRONIZE, FALSE, name->c_str()));
    if (!mutex)
        return true;
    if (::WaitForSingleObject(mutex.get(), milliseconds) == WAIT_TIMEOUT)
        return false;
    ::ReleaseMutex(mutex.get());
    return true;
}

Result<Watchdog> Watchdog::start(HANDLE process) {
    const auto failed = [](std::string_view what) {
        return fail(Code::target_stop_failed, fmt::format("the watchdog does not start: {} ({})", what, last_error()));
    };
    SECURITY_ATTRIBUTES attributes = inheritable();
    Handle section(
        ::CreateFileMappingW(INVALID_HANDLE_VALUE, &attributes, PAGE_READWRITE, 0, sizeof(Unfinished), nullptr));
    Handle over(::CreateEventW(&attributes, TRUE, FALSE, nullptr));
    auto* const shared =
        section ? static_cast<Unfinished*>(::MapViewOfFile(section.get(), FILE_MAP_ALL_ACCESS, 0, 0, 0)) : nullptr;
    if (!shared || !over)
        return failed("shared memory");
    Watchdog watchdog(std::move(section), std::move(over), {}, shared);
    const Handle self = for_child(::GetCurrentProcess(), SYNCHRONIZE);
    const Handle target =
        for_child(process, PROCESS_SUSPEND_RESUME | PROCESS_VM_OPERATION | PROCESS_VM_READ |
                               PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_QUERY_INFORMATION | SYNCHRONIZE);
    if (!self || !target)
        return failed("handles");
    std::array handles{self.get(), target.get(), watchdog.section_.get(), watchdog.over_.get()};
    watchdog.helper_ =
        start_self(wide(fmt::format("suture {} {} {} {} {}", kAsWatchdog, number_of(self), number_of(target),
                                    number_of(watchdog.section_), number_of(watchdog.over_))),
                   handles);
    if (!watchdog.helper_)
        return failed("CreateProcess");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (shared->ready == 0) {
        if (::WaitForSingleObject(watchdog.helper_.get(), 1) == WAIT_OBJECT_0)
            return failed("it ended");
        if (std::chrono::steady_clock::now() >= deadline)
            return failed("it does nothing");
    }
    return watchdog;
}

Watchdog::Watchdog(Watchdog&& other) noexcept
    : section_(std::move(other.section_)), over_(std::move(other.over_)), helper_(std::move(other.helper_)),
      shared_(std::exchange(other.shared_, nullptr)) {}

Watchdog::~Watchdog() {
    if (!shared_)
        return;
    ::SetEvent(over_.get());
    ::UnmapViewOfFile(shared_);
}

std::optional<int> become_watchdog(int argc, char** argv) {
    constexpr int kHandles = 4;
    if (argc != 2 + kHandles || argv[1] != kAsWatchdog)
        return std::nullopt;
    std::array<Handle, kHandles> handles;
    for (int i = 0; i < kHandles; ++i)
        handles[static_cast<std::size_t>(i)] =
            Handle(reinterpret_cast<HANDLE>(std::strtoull(argv[2 + i], nullptr, 10)));
    const auto& [injector, process, section, over] = handles;
    auto* const shared = static_cast<Unfinished*>(::MapViewOfFile(section.get(), FILE_MAP_ALL_ACCESS, 0, 0, 0));
    const auto name = name_about(process.get(), "undo");
    if (!shared || !name)
        return 1;
    // Whoever comes next waits until this is free. The one before has to be through first.
    const Handle mutex(::CreateMutexW(nullptr, FALSE, name->c_str()));
    if (!mutex)
        return 1;
    ::WaitForSingleObject(mutex.get(), INFINITE);
    shared->ready = 1;
    const std::array ends{injector.get(), over.get()};
    ::WaitForMultipleObjects(ends.size(), ends.data(), FALSE, INFINITE);
    undo(process.get(), *shared);
    ::ReleaseMutex(mutex.get());
    return 0;
}

} // namespace suture::loader
