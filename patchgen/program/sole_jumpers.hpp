#pragma once

#include "patchgen/program/code.hpp"

namespace suture::program {

/// Which code only jumps of one other function lead to, as to a part that a compiler put elsewhere.
class SoleJumpers {
  public:
    /// `others`: lists of addresses that something besides code leads to.
    SoleJumpers(const CodeMap& map, std::initializer_list<std::span<const Rva>> others);

    /// Whether jumps of `whole` lead into `part`, and nothing else does.
    bool has(std::size_t whole, std::size_t part) const { return jumpers_[part] == whole; }

  private:
    std::vector<std::size_t> jumpers_; ///< by function
};

} // namespace suture::program
