#include "patchgen/program/instruction_starts.hpp"

#include <bit>

namespace suture::program {

namespace {

constexpr std::uint32_t kBits = 64;

std::uint32_t offset_of(std::size_t word, int bit) {
    return static_cast<std::uint32_t>(word * kBits) + static_cast<std::uint32_t>(bit);
}

} // namespace

InstructionStarts::InstructionStarts(std::span<const std::uint32_t> offsets) {
    if (offsets.empty())
        return;
    words_.resize(offsets.back() / kBits + 1);
    for (const std::uint32_t offset : offsets)
        words_[offset / kBits] |= std::uint64_t{1} << offset % kBits;
}

std::optional<std::uint32_t> InstructionStarts::at_or_behind(std::uint32_t offset) const {
    std::uint64_t mask = ~std::uint64_t{0} << offset % kBits;
    for (std::size_t i = offset / kBits; i < words_.size(); ++i, mask = ~std::uint64_t{0})
        if (const std::uint64_t bits = words_[i] & mask; bits != 0)
            return offset_of(i, std::countr_zero(bits));
    return std::nullopt;
}

std::optional<std::uint32_t> InstructionStarts::at_or_before(std::uint32_t offset) const {
    std::uint64_t mask = ~std::uint64_t{0} >> (kBits - 1 - offset % kBits);
    std::size_t i = offset / kBits + 1;
    if (i > words_.size()) {
        i = words_.size();
        mask = ~std::uint64_t{0};
    }
    for (; i-- > 0; mask = ~std::uint64_t{0})
        if (const std::uint64_t bits = words_[i] & mask; bits != 0)
            return offset_of(i, static_cast<int>(std::bit_width(bits)) - 1);
    return std::nullopt;
}

std::vector<std::uint32_t> InstructionStarts::offsets() const {
    std::vector<std::uint32_t> offsets;
    for (std::size_t i = 0; i < words_.size(); ++i)
        for (std::uint64_t bits = words_[i]; bits != 0; bits &= bits - 1)
            offsets.push_back(offset_of(i, std::countr_zero(bits)));
    return offsets;
}

} // namespace suture::program
