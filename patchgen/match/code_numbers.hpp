#pragma once

#include "engine/core/hash.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace suture::match {

struct DigestHash {
    std::size_t operator()(const Digest& digest) const {
        std::size_t value = 0;
        for (std::size_t i = 0; i < sizeof value; ++i)
            value = value << 8 | digest.bytes[i];
        return value;
    }
};

/// Numbers for code: the same one for the same fingerprint, in either image.
class CodeNumbers {
  public:
    /// `most`: fingerprints that are asked for.
    explicit CodeNumbers(std::size_t most) : slots_(std::bit_ceil(2 * most + 1)) {}

    std::vector<std::uint32_t> of(const std::vector<Digest>& fingerprints) {
        std::vector<std::uint32_t> numbers;
        numbers.reserve(fingerprints.size());
        for (const Digest& fingerprint : fingerprints)
            numbers.push_back(of(fingerprint));
        return numbers;
    }
    std::uint32_t count() const { return count_; }

  private:
    static constexpr std::uint32_t kUnused = ~0u;

    struct Slot {
        std::uint32_t number = kUnused;
        Digest fingerprint;
    };

    std::uint32_t of(const Digest& fingerprint) {
        std::size_t at = DigestHash{}(fingerprint) & (slots_.size() - 1);
        while (slots_[at].number != kUnused && slots_[at].fingerprint != fingerprint)
            at = (at + 1) & (slots_.size() - 1);
        if (slots_[at].number == kUnused)
            slots_[at] = {count_++, fingerprint};
        return slots_[at].number;
    }

    std::vector<Slot> slots_; ///< as many as a power of two, half of them empty
    std::uint32_t count_ = 0;
};

} // namespace suture::match
