#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace suture {

using Bytes = std::vector<std::uint8_t>;

/// Bytes from somewhere that is not trusted, with every bounds computation in one place.
/// All offsets and sizes are in bytes and 64 bits wide; no sum of them can overflow.
/// Does not own what it shows.
class ByteView {
  public:
    constexpr ByteView() = default;
    constexpr ByteView(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    template <std::size_t N>
    constexpr ByteView(const std::array<std::uint8_t, N>& bytes) : bytes_(bytes) {}
    ByteView(const Bytes& bytes) : bytes_(bytes) {}
    constexpr ByteView(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}

    constexpr std::size_t size() const { return bytes_.size(); }
    constexpr bool empty() const { return bytes_.empty(); }
    constexpr const std::uint8_t* data() const { return bytes_.data(); }
    constexpr std::span<const std::uint8_t> span() const { return bytes_; }
    constexpr auto begin() const { return bytes_.begin(); }
    constexpr auto end() const { return bytes_.end(); }
    /// Unchecked: `index` must be below size().
    constexpr std::uint8_t operator[](std::size_t index) const { return bytes_[index]; }

    /// True if [offset, offset + size) lies inside.
    constexpr bool contains(std::uint64_t offset, std::uint64_t size) const {
        return offset <= bytes_.size() && size <= bytes_.size() - offset;
    }

    /// [offset, offset + size), or nothing if any of it lies outside.
    constexpr std::optional<ByteView> slice(std::uint64_t offset, std::uint64_t size) const {
        if (!contains(offset, size))
            return std::nullopt;
        return ByteView(bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)));
    }

    /// From `offset` to the end, or nothing if `offset` lies behind the end.
    constexpr std::optional<ByteView> from(std::uint64_t offset) const {
        if (offset > bytes_.size())
            return std::nullopt;
        return ByteView(bytes_.subspan(static_cast<std::size_t>(offset)));
    }

    /// A little-endian integer or a packed struct at `offset`, or nothing if it does not fit.
    template <class T>
    requires std::is_trivially_copyable_v<T> std::optional<T> read(std::uint64_t offset)
    const {
        if (!contains(offset, sizeof(T)))
            return std::nullopt;
        T value;
        std::memcpy(&value, bytes_.data() + offset, sizeof(T));
        return value;
    }

    /// The NUL-terminated string at `offset`, without its NUL, or nothing if no NUL follows within `limit` bytes.
    std::optional<std::string_view> c_string(std::uint64_t offset, std::size_t limit) const {
        const auto rest = from(offset);
        if (!rest || rest->empty())
            return std::nullopt;
        const std::size_t room = rest->size() < limit ? rest->size() : limit;
        const void* nul = std::memchr(rest->data(), 0, room);
        if (!nul)
            return std::nullopt;
        const auto length = static_cast<std::size_t>(static_cast<const std::uint8_t*>(nul) - rest->data());
        return std::string_view(reinterpret_cast<const char*>(rest->data()), length);
    }

    Bytes copy() const { return Bytes(bytes_.begin(), bytes_.end()); }

    friend bool operator==(ByteView a, ByteView b) {
        return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

} // namespace suture
