#include "loader/cli/probe.hpp"
#include "loader/cli/windows/text.hpp"

#include "loader/windows/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

namespace suture::cli {

namespace {

using loader::Handle;

/// What it started ends with it.
Handle make_job() {
    Handle job(::CreateJobObjectW(nullptr, nullptr));
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (job)
        ::SetInformationJobObject(job.get(), JobObjectExtendedLimitInformation, &limits, sizeof limits);
    return job;
}

Handle inheritable(HANDLE handle) {
    HANDLE copy = nullptr;
    ::DuplicateHandle(::GetCurrentProcess(), handle, ::GetCurrentProcess(), &copy, 0, TRUE, DUPLICATE_SAME_ACCESS);
    return Handle(copy);
}

} // namespace

std::string run_probe(const std::string& command, std::uint64_t pid, std::chrono::nanoseconds patience, bool verbose) {
    ::SetEnvironmentVariableA("SUTURE_PID", std::to_string(pid).c_str());
    std::wstring words = L"cmd.exe /d /s /c \"" + wide(command) + L"\"";
    SECURITY_ATTRIBUTES attributes{sizeof attributes, nullptr, TRUE};
    const Handle nothing(::CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                       &attributes, OPEN_EXISTING, 0, nullptr));
    const Handle told = verbose ? inheritable(::GetStdHandle(STD_ERROR_HANDLE)) : inheritable(nothing.get());
    STARTUPINFOW startup{};
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = nothing.get();
    startup.hStdOutput = startup.hStdError = told.get();
    PROCESS_INFORMATION started{};
    const Handle job = make_job();
    if (!job || !::CreateProcessW(nullptr, words.data(), nullptr, nullptr, TRUE, CREATE_SUSPENDED | CREATE_NO_WINDOW,
                                  nullptr, nullptr, &startup, &started))
        return fmt::format("it cannot be started: {}", loader::last_error());
    const Handle process(started.hProcess);
    const Handle thread(started.hThread);
    if (!::AssignProcessToJobObject(job.get(), process.get())) {
        const std::string why = loader::last_error();
        ::TerminateProcess(process.get(), 1);
        return fmt::format("it cannot be started: {}", why);
    }
    ::ResumeThread(thread.get());
    const auto limit = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
    const auto milliseconds = static_cast<DWORD>(std::min<decltype(limit)>(limit, INFINITE - 1));
    if (::WaitForSingleObject(process.get(), milliseconds) != WAIT_OBJECT_0) {
        ::TerminateJobObject(job.get(), 1);
        return fmt::format("it did not end within {} s", std::chrono::duration<double>(patience).count());
    }
    DWORD code = 0;
    ::GetExitCodeProcess(process.get(), &code);
    ::TerminateJobObject(job.get(), 1);
    return code == 0 ? std::string() : fmt::format("exit code {}", code);
}

} // namespace suture::cli
