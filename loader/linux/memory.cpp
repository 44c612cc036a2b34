#include "loader/linux/memory.hpp"

#include "loader/linux/procfs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace suture::loader {

namespace {

void* remote_pointer(Va at) {
    return reinterpret_cast<void*>(at.value);
}

} // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

Descriptor::~Descriptor() {
    if (fd_ >= 0)
        ::close(fd_);
}

Result<Memory> Memory::open(std::uint64_t pid) {
    Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
    if (!process) {
        if (errno == ESRCH || errno == EINVAL)
            return fail(Code::target_gone, fmt::format("there is no process {}", pid));
        return fail(Code::target_inaccessible, fmt::format("pidfd_open of process {}: {}", pid, std::strerror(errno)));
    }
    Descriptor memory(::open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDWR | O_CLOEXEC));
    if (!memory) {
        const int error = errno;
        const auto status = read_status(pid);
        if (!status)
            return std::unexpected(status.error());
        return fail(Code::target_inaccessible, fmt::format("process {} ({}) belongs to user {}: {}", pid, status->name,
                                                           describe_user(status->user), std::strerror(error)));
    }
    return Memory(pid, std::move(process), std::move(memory));
}

bool Memory::alive() const {
    pollfd state{process_.get(), POLLIN, 0};
    return ::poll(&state, 1, 0) == 0;
}

Result<void> Memory::check_alive() const {
    if (!alive())
        return fail(Code::target_gone, fmt::format("process {} has ended", pid_));
    // Of an address space that is gone nothing is read, not even an error, whatever the address.
    std::uint8_t byte = 0;
    if (::pread(memory_.get(), &byte, sizeof byte, 0) == 0)
        return fail(Code::target_gone, fmt::format("process {} has ended, or runs another program now", pid_));
    return {};
}

bool Memory::read(Va at, std::span<std::uint8_t> into) const {
    while (!into.empty()) {
        const iovec local{into.data(), into.size()};
        const iovec remote{remote_pointer(at), into.size()};
        const ssize_t got = ::process_vm_readv(static_cast<pid_t>(pid_), &local, 1, &remote, 1, 0);
        if (got <= 0)
            return false;
        into = into.subspan(static_cast<std::size_t>(got));
        at = at + static_cast<std::uint64_t>(got);
    }
    return true;
}

bool Memory::read(std::span<const target::Reading> readings) const {
    constexpr std::size_t kMost = 1024; // IOV_MAX
    std::vector<iovec> local, remote;
    while (!readings.empty()) {
        const auto some = readings.first(std::min(kMost, readings.size()));
        readings = readings.subspan(some.size());
        local.clear();
        remote.clear();
        std::size_t wanted = 0;
        for (const target::Reading& one : some) {
            local.push_back({one.into.data(), one.into.size()});
            remote.push_back({remote_pointer(one.at), one.into.size()});
            wanted += one.into.size();
        }
        const ssize_t got = ::process_vm_readv(static_cast<pid_t>(pid_), local.data(), local.size(), remote.data(),
                                               remote.size(), 0);
        if (got < 0 || static_cast<std::size_t>(got) != wanted)
            return false;
    }
    return true;
}

std::size_t Memory::read_page_words(Va first, std::size_t pages, std::uint64_t offset,
                                    std::span<std::uint64_t, kWords> into) const {
    std::array<iovec, kWords> remote;
    for (std::size_t i = 0; i < pages; ++i)
        remote[i] = {remote_pointer(first + i * kPage + offset), sizeof(std::uint64_t)};
    const iovec local{into.data(), pages * sizeof(std::uint64_t)};
    const ssize_t got = ::process_vm_readv(static_cast<pid_t>(pid_), &local, 1, remote.data(), pages, 0);
    return got < 0 ? 0 : static_cast<std::size_t>(got) / sizeof(std::uint64_t);
}

bool Memory::write(Va at, ByteView bytes) const {
    const iovec local{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    const iovec remote{remote_pointer(at), bytes.size()};
    const ssize_t put = ::process_vm_writev(static_cast<pid_t>(pid_), &local, 1, &remote, 1, 0);
    return put >= 0 && static_cast<std::size_t>(put) == bytes.size();
}

bool Memory::write_forced(Va at, ByteView bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t put =
            ::pwrite(memory_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(at.value + done));
        if (put <= 0)
            return false;
        done += static_cast<std::size_t>(put);
    }
    std::array<std::uint8_t, 0x4000> chunk;
    for (std::size_t done = 0; done < bytes.size();) {
        const std::size_t size = std::min(chunk.size(), bytes.size() - done);
        if (!read(at + done, {chunk.data(), size}) || std::memcmp(chunk.data(), bytes.data() + done, size) != 0)
            return false;
        done += size;
    }
    return true;
}

} // namespace suture::loader
