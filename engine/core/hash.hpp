#pragma once

#include "engine/core/byte_view.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>

namespace suture {

/// XXH3-128 of some bytes, in canonical (big-endian) order. It finds differences; it is no proof of origin.
struct Digest {
    std::array<std::uint8_t, 16> bytes{};

    auto operator<=>(const Digest&) const = default;
    /// 32 lower-case hexadecimal digits.
    std::string hex() const;
};

/// XXH3-128 of `bytes`.
Digest digest_of(ByteView bytes);

/// XXH3-128 of what is added piece by piece; equal to digest_of() of the pieces joined.
class Hasher {
  public:
    Hasher();
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;

    void add(ByteView bytes);
    /// Adds `count` zero bytes: what masked fields are hashed as.
    void add_zeros(std::size_t count);
    Digest finish() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace suture
