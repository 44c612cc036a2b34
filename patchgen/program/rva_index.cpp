#include "patchgen/program/rva_index.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace suture::program {

namespace {

/// Lists shorter than this are sorted by comparison.
constexpr std::size_t kRadixFrom = 4096;
constexpr unsigned kDigitBits = 11;
constexpr std::size_t kDigits = 1u << kDigitBits;

void sort_by_digits(std::vector<Rva>& list) {
    std::vector<Rva> other(list.size());
    for (unsigned shift = 0; shift < 32; shift += kDigitBits) {
        std::array<std::size_t, kDigits> place{};
        const auto digit = [&](Rva rva) { return rva.value >> shift & (kDigits - 1); };
        for (const Rva rva : list)
            ++place[digit(rva)];
        std::size_t next = 0;
        for (auto& count : place)
            next += std::exchange(count, next);
        for (const Rva rva : list)
            other[place[digit(rva)]++] = rva;
        list.swap(other);
    }
}

} // namespace

RvaIndex::RvaIndex(std::vector<Rva> begins) : begins_(std::move(begins)) {
    if (begins_.empty())
        return;
    // Pages of about one element, so that the table grows with the list and not with the addresses.
    while ((begins_.back().value >> page_bits_) / 2 > begins_.size())
        ++page_bits_;
    const std::size_t pages = (begins_.back().value >> page_bits_) + std::size_t{1};
    before_page_.resize(pages + 1);
    std::uint32_t at = 0;
    for (std::size_t page = 0; page < pages; ++page) {
        before_page_[page] = at;
        while (at < begins_.size() && begins_[at].value >> page_bits_ == page)
            ++at;
    }
    before_page_[pages] = at;
}

std::size_t RvaIndex::up_to(Rva rva) const {
    const std::size_t page = rva.value >> page_bits_;
    if (page + 1 >= before_page_.size())
        return begins_.size();
    const auto first = begins_.begin() + before_page_[page];
    const auto last = begins_.begin() + before_page_[page + 1];
    return static_cast<std::size_t>(std::upper_bound(first, last, rva) - begins_.begin());
}

void sort_unique(std::vector<Rva>& list) {
    if (list.size() < kRadixFrom)
        std::ranges::sort(list);
    else if (!std::ranges::is_sorted(list))
        sort_by_digits(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

} // namespace suture::program
