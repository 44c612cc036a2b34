#include "loader/host/health.hpp"

#include "loader/windows/handle.hpp"

#include <fmt/format.h>

namespace suture::loader {

Result<Health> Health::of(std::uint64_t pid) {
    const HANDLE process =
        ::OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(pid));
    if (!process)
        return fail(Code::target_gone, fmt::format("there is no process {}", pid));
    return Health(pid, pid, std::shared_ptr<void>(process, ::CloseHandle));
}

Result<std::string> Health::fault() const {
    if (::WaitForSingleObject(process_.get(), 0) == WAIT_OBJECT_0)
        return fail(Code::target_gone, fmt::format("process {} has ended", pid_));
    return std::string();
}

} // namespace suture::loader
