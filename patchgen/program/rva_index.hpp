#pragma once

#include "engine/core/address.hpp"

#include <cstddef>
#include <vector>

namespace suture::program {

/// Tells how many of a list of addresses lie at or before another one: by a table of pages, and a few steps within one.
class RvaIndex {
  public:
    RvaIndex() = default;
    /// `begins` ascends.
    explicit RvaIndex(std::vector<Rva> begins);

    /// Number of elements that are <= `rva`: the index of the first one behind it.
    std::size_t up_to(Rva rva) const;

  private:
    std::vector<Rva> begins_;
    unsigned page_bits_ = 0;
    std::vector<std::uint32_t> before_page_; ///< elements before each page, and one more for the end of the last
};

/// The index of what `begin_of` says where the elements of a list begin.
template <class List, class BeginOf>
RvaIndex index_of_begins(const List& list, const BeginOf& begin_of) {
    std::vector<Rva> begins;
    begins.reserve(list.size());
    for (const auto& element : list)
        begins.push_back(begin_of(element));
    return RvaIndex(std::move(begins));
}

/// Puts a list in ascending order without repetition.
void sort_unique(std::vector<Rva>& list);

} // namespace suture::program
