#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/target/target.hpp"
#include "loader/windows/nt.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace suture::loader {

/// Pages of a process that have one state, as VirtualQueryEx tells.
struct Pages {
    VaRange range;
    VaRange allocation; ///< begins where it does; its size is not known
    DWORD state = 0, protection = 0, first_protection = 0, type = 0;

    bool committed() const { return state == MEM_COMMIT; }
    bool readable() const;
    bool writable() const;
    bool executable() const;
    /// Of a view that map() made, and taken out by unmap() where others of the same view stayed.
    bool given_back() const {
        return type == MEM_MAPPED && first_protection == PAGE_EXECUTE_READ && protection == PAGE_NOACCESS;
    }
};

/// The memory of a process, by Win32.
class Memory {
  public:
    explicit Memory(HANDLE process) : process_(process) {}

    HANDLE process() const { return process_; }
    bool read(Va at, std::span<std::uint8_t> into) const;
    /// Those that lie close to each other by one system call. False if one cannot be read; the others are none the
    /// less.
    bool read(std::span<const target::Reading> readings) const;
    template <class T>
    std::optional<T> value(Va at) const {
        T read_value{};
        if (!read(at, {reinterpret_cast<std::uint8_t*>(&read_value), sizeof(T)}))
            return std::nullopt;
        return read_value;
    }
    /// By one system call, which is not cut where this process is ended meanwhile.
    bool write(Va at, ByteView bytes) const;
    bool protect(VaRange range, DWORD protection) const;
    std::optional<Pages> query(Va at) const;
    /// All that is mapped or reserved, ascending.
    std::vector<Pages> pages() const;
    std::vector<Pages> pages(VaRange within) const;

  private:
    HANDLE process_;
};

/// Addresses are reserved in steps of this.
inline constexpr std::uint64_t kGranularity = 0x10000;

/// What GetLastError() says, in words.
std::string last_error();
/// The same for a system error.
std::string error_text(DWORD error);

} // namespace suture::loader
