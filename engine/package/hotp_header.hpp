#pragma once

#include <array>
#include <cstdint>

namespace suture::package {

/// The first bytes of `.hotp`: what a reader needs before it trusts any other byte. Suture's own; docs/format.md.
struct HotpHeader {
    std::array<char, 8> magic;
    std::uint32_t format_version;
    std::uint32_t reserved;              ///< 0
    std::array<std::uint8_t, 16> digest; ///< XXH3-128 of the file, see file_digest()
};
static_assert(sizeof(HotpHeader) == 32);

inline constexpr std::array<char, 8> kHotpMagic{'S', 'U', 'T', 'U', 'R', 'E', 'H', 'P'};

} // namespace suture::package
