#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace suture {

/// An integer with a meaning. Two tags never mix; arithmetic is with plain byte counts only.
/// Addition and subtraction wrap like unsigned integers: range checks belong to the caller (ByteView does them).
template <class Tag, class Rep>
struct Address {
    using Value = Rep;
    Rep value{};

    constexpr auto operator<=>(const Address&) const = default;
    friend constexpr Address operator+(Address a, Rep bytes) { return {static_cast<Rep>(a.value + bytes)}; }
    friend constexpr Address operator-(Address a, Rep bytes) { return {static_cast<Rep>(a.value - bytes)}; }
    /// Distance in bytes, modulo the width of the address.
    friend constexpr Rep operator-(Address a, Address b) { return static_cast<Rep>(a.value - b.value); }
};

/// Offset from the start of a loaded PE image, in bytes.
using Rva = Address<struct RvaTag, std::uint32_t>;
/// Virtual address in the process being patched.
using Va = Address<struct VaTag, std::uint64_t>;
/// Offset from the start of a file, in bytes.
using FileOffset = Address<struct FileOffsetTag, std::uint64_t>;

/// Half-open range [begin, begin + size) of RVAs. `size` is in bytes.
struct RvaRange {
    Rva begin;
    std::uint32_t size = 0;

    constexpr auto operator<=>(const RvaRange&) const = default;
    constexpr std::uint64_t end() const { return std::uint64_t{begin.value} + size; }
    constexpr bool contains(Rva rva) const { return rva >= begin && rva.value < end(); }
    constexpr bool contains(RvaRange other) const { return other.begin >= begin && other.end() <= end(); }
    constexpr bool overlaps(RvaRange other) const { return begin.value < other.end() && other.begin.value < end(); }
};

/// Half-open range [begin, begin + size) of virtual addresses. `size` is in bytes; `begin + size` does not wrap.
struct VaRange {
    Va begin;
    std::uint64_t size = 0;

    constexpr auto operator<=>(const VaRange&) const = default;
    constexpr Va end() const { return begin + size; }
    constexpr bool contains(Va va) const { return va >= begin && va - begin < size; }
    constexpr bool overlaps(VaRange other) const { return begin < other.end() && other.begin < end(); }
};

} // namespace suture

template <class Tag, class Rep>
struct std::hash<suture::Address<Tag, Rep>> {
    std::size_t operator()(suture::Address<Tag, Rep> a) const noexcept { return std::hash<Rep>{}(a.value); }
};
