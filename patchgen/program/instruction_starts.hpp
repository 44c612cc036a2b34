#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace suture::program {

/// Where the instructions of a function start: offsets from its entry, a bit for each byte of the function.
class InstructionStarts {
  public:
    InstructionStarts() = default;
    /// `offsets` ascend.
    explicit InstructionStarts(std::span<const std::uint32_t> offsets);

    bool empty() const { return words_.empty(); }
    bool contains(std::uint32_t offset) const { return at_or_behind(offset) == offset; }
    /// The first one at `offset` or behind it.
    std::optional<std::uint32_t> at_or_behind(std::uint32_t offset) const;
    /// The last one at `offset` or before it.
    std::optional<std::uint32_t> at_or_before(std::uint32_t offset) const;
    /// All of them, ascending.
    std::vector<std::uint32_t> offsets() const;

    bool operator==(const InstructionStarts&) const = default;

  private:
    std::vector<std::uint64_t> words_; ///< the last one is not zero
};

} // namespace suture::program
