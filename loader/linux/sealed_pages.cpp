#include "loader/linux/sealed_pages.hpp"

#include "engine/core/hash.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/procfs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace suture::loader {

namespace {

/// Since Linux 6.3, where a system may forbid to execute memfds that do not say so.
constexpr unsigned kMayExecute = 0x10; // MFD_EXEC
constexpr int kAllSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Descriptor make_sealed(const std::string& name, ByteView content) {
    const auto make = [&](unsigned flags) {
        return Descriptor(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
    };
    Descriptor file = make(kMayExecute);
    if (!file && errno == EINVAL)
        file = make(0);
    if (!file)
        return file;
    for (std::size_t done = 0; done < content.size();) {
        const ssize_t put = ::write(file.get(), content.data() + done, content.size() - done);
        if (put <= 0)
            return Descriptor();
        done += static_cast<std::size_t>(put);
    }
    if (::fcntl(file.get(), F_ADD_SEALS, kAllSeals) != 0)
        return Descriptor();
    return file;
}

/// True if the file can be nothing else any more.
bool holds(const Descriptor& file, ByteView content) {
    struct stat state {};
    if (::fcntl(file.get(), F_GET_SEALS) != kAllSeals || ::fstat(file.get(), &state) != 0 ||
        state.st_size != static_cast<off_t>(content.size()))
        return false;
    std::array<std::uint8_t, 0x4000> piece;
    for (std::size_t done = 0; done < content.size();) {
        const ssize_t got = ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(done));
        if (got <= 0 || !std::equal(piece.begin(), piece.begin() + got, content.data() + done))
            return false;
        done += static_cast<std::size_t>(got);
    }
    return true;
}

struct Owner {
    uid_t user;
    gid_t group;
};

/// Becomes a user, says so, and waits until nobody holds the other end of `life`. Between fork() and _exit() only
/// what async-signal-safe code may do.
[[noreturn]] void hold(Owner owner, int ready, int life) {
    char byte = 0;
    const bool done = ::syscall(SYS_setgroups, 0, nullptr) == 0 &&
                      ::syscall(SYS_setresgid, owner.group, owner.group, owner.group) == 0 &&
                      ::syscall(SYS_setresuid, owner.user, owner.user, owner.user) == 0 &&
                      ::prctl(PR_SET_DUMPABLE, 1) == 0 && ::write(ready, &byte, 1) == 1;
    ::close(ready);
    while (done && ::read(life, &byte, 1) < 0 && errno == EINTR) {
    }
    ::_exit(0);
}

struct Holder {
    pid_t pid = 0;
    Descriptor life{};
};

/// A process of `owner` that has this one's descriptors; it ends when `life` is closed. Pid 0 if that cannot be.
Holder start_holder(Owner owner) {
    std::array<int, 2> ready{}, life{};
    if (::pipe2(ready.data(), O_CLOEXEC) != 0)
        return Holder();
    const Descriptor ready_read(ready[0]);
    Descriptor ready_write(ready[1]);
    if (::pipe2(life.data(), O_CLOEXEC) != 0)
        return Holder();
    Descriptor life_read(life[0]);
    Descriptor life_write(life[1]);
    const pid_t pid = ::fork();
    if (pid < 0)
        return Holder();
    if (pid == 0) {
        ::close(life_write.get());
        hold(owner, ready_write.get(), life_read.get());
    }
    ready_write = Descriptor();
    char byte = 0;
    ssize_t got = 0;
    while ((got = ::read(ready_read.get(), &byte, 1)) < 0 && errno == EINTR) {
    }
    if (got == 1)
        return {pid, std::move(life_write)};
    life_write = Descriptor();
    ::waitpid(pid, nullptr, 0);
    return Holder();
}

} // namespace

SealedPages::SealedPages(Descriptor file, pid_t holder, Descriptor holder_life)
    : file_(std::move(file)), holder_(holder), holder_life_(std::move(holder_life)) {}

SealedPages::SealedPages(SealedPages&& other) noexcept
    : file_(std::move(other.file_)), holder_(std::exchange(other.holder_, 0)),
      holder_life_(std::move(other.holder_life_)) {}

SealedPages::~SealedPages() {
    if (!holder_life_)
        return;
    holder_life_ = Descriptor();
    ::waitpid(holder_, nullptr, 0);
}

std::string SealedPages::path() const {
    return fmt::format("/proc/{}/fd/{}", holder_, file_.get());
}

std::optional<SealedPages> SealedPageSource::pages(ByteView content) {
    const std::string name = fmt::format("suture-{}", digest_of(content).hex());
    Descriptor file = find(name, content);
    if (!file)
        file = make_sealed(name, content);
    const auto status = read_status(pid_);
    if (!file || !status)
        return std::nullopt;
    const Owner owner{static_cast<uid_t>(status->user), static_cast<gid_t>(status->group)};
    if (owner.user == ::geteuid() && owner.group == ::getegid())
        return SealedPages(std::move(file), ::getpid(), Descriptor());
    Holder holder = start_holder(owner);
    if (holder.pid == 0)
        return std::nullopt;
    return SealedPages(std::move(file), holder.pid, std::move(holder.life));
}

Descriptor SealedPageSource::find(const std::string& name, ByteView content) {
    if (donor_ != 0)
        return find_in(donor_, name, content);
    if (std::exchange(searched_, true))
        return Descriptor();
    for (const std::uint64_t pid : list_pids()) {
        Descriptor file = find_in(pid, name, content);
        if (!file)
            continue;
        donor_ = pid;
        return file;
    }
    return Descriptor();
}

Descriptor SealedPageSource::find_in(std::uint64_t pid, const std::string& name, ByteView content) const {
    const auto text = read_proc(pid, "maps");
    if (!text || text->find(name) == std::string::npos)
        return Descriptor();
    for (const MapEntry& entry : parse_maps(*text)) {
        if (entry.path.find(name) == std::string::npos)
            continue;
        const std::string path =
            fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, entry.range.begin.value, entry.range.end().value);
        Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        if (file && holds(file, content))
            return file;
    }
    return Descriptor();
}

} // namespace suture::loader
