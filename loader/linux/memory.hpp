#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"
#include "engine/target/target.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

namespace suture::loader {

/// An open file descriptor.
class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_;
};

/// The memory of a process. It stays that of the process that had the PID when this was opened: once that is gone,
/// everything fails, also where the PID is in use again.
class Memory {
  public:
    /// Errors: target_gone, target_inaccessible.
    static Result<Memory> open(std::uint64_t pid);

    std::uint64_t pid() const { return pid_; }
    bool alive() const;
    /// target_gone if it is gone, or has become another program by exec().
    Result<void> check_alive() const;

    /// All or nothing; no allocation. False where the pages are not mapped or not readable.
    bool read(Va at, std::span<std::uint8_t> into) const;
    /// The same of many places.
    bool read(std::span<const target::Reading> readings) const;
    template <class T>
    requires std::is_trivially_copyable_v<T> std::optional<T> value(Va at)
    const {
        T value;
        if (!read(at, {reinterpret_cast<std::uint8_t*>(&value), sizeof value}))
            return std::nullopt;
        return value;
    }
    /// The 8-byte word at `offset` of each page of `range` that can be read: `visit(page, word)`, until it returns
    /// true.
    template <class Visit>
    bool visit_page_words(VaRange range, std::uint64_t offset, Visit visit) const;

    /// As the process itself could write: false where a page is not writable.
    bool write(Va at, ByteView bytes) const;
    /// Also into private pages that are not writable, and reads back; for code, and for pages that were just mapped.
    bool write_forced(Va at, ByteView bytes) const;

  private:
    Memory(std::uint64_t pid, Descriptor process, Descriptor memory)
        : pid_(pid), process_(std::move(process)), memory_(std::move(memory)) {}

    static constexpr std::uint64_t kPage = 0x1000;
    static constexpr std::size_t kWords = 512;
    /// Reads the words at `offset` of up to kWords pages from `first` on; the number of pages before the first bad one.
    std::size_t read_page_words(Va first, std::size_t pages, std::uint64_t offset,
                                std::span<std::uint64_t, kWords> into) const;

    std::uint64_t pid_;
    Descriptor process_; ///< pidfd
    Descriptor memory_;  ///< /proc/PID/mem
};

template <class Visit>
bool Memory::visit_page_words(VaRange range, std::uint64_t offset, Visit visit) const {
    std::array<std::uint64_t, kWords> words;
    for (Va page = range.begin; page < range.end();) {
        const std::uint64_t left = (range.end() - page) / kPage;
        const std::size_t wanted = left < kWords ? static_cast<std::size_t>(left) : kWords;
        const std::size_t got = read_page_words(page, wanted, offset, words);
        for (std::size_t i = 0; i < got; ++i) {
            if (visit(page + i * kPage, words[i]))
                return true;
        }
        page = page + (got < wanted ? got + 1 : wanted) * kPage;
    }
    return false;
}

} // namespace suture::loader
