#include "loader/host/process_lock.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>

namespace suture::loader {

namespace {

/// When the process started, in clock ticks since boot: with the PID, this names a process and never its successor
/// (proc(5), /proc/pid/stat, field 22). Empty if there is no such process.
std::string start_time(std::uint64_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t name_end = text.rfind(')'); // the name itself may hold anything
    if (name_end == std::string::npos)
        return {};
    std::istringstream fields(text.substr(name_end + 1));
    std::string field;
    for (int i = 3; i <= 22; ++i)
        fields >> field;
    return fields ? field : std::string();
}

class Socket {
  public:
    explicit Socket(int socket) : socket_(socket) {}
    ~Socket() { ::close(socket_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

  private:
    int socket_;
};

} // namespace

Result<ProcessLock> ProcessLock::take(std::uint64_t pid) {
    const std::string started = start_time(pid);
    if (started.empty())
        return fail(Code::target_gone, fmt::format("there is no process {}", pid));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = fmt::format("suture-{}-{}", pid, started);
    std::memcpy(address.sun_path + 1, name.data(), name.size()); // after a NUL: not in the file system
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket >= 0 && ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size) == 0)
        return ProcessLock(std::make_shared<Socket>(socket));
    const int reason = errno;
    if (socket >= 0)
        ::close(socket);
    return fail(Code::operation_in_progress,
                reason == EADDRINUSE
                    ? fmt::format("process {}", pid)
                    : fmt::format("process {}: no lock on it could be taken ({})", pid, std::strerror(reason)));
}

} // namespace suture::loader
