#pragma once

#include "engine/core/byte_view.hpp"

#include <cstdint>
#include <vector>

namespace suture::program {

/// Sizes of the types in a PDB's type stream (LLVM documentation, "The PDB TPI and IPI Streams").
class PdbTypeSizes {
  public:
    PdbTypeSizes() = default;
    /// Reads the stream. What is malformed in it has size 0: sizes are a help, not needed.
    explicit PdbTypeSizes(ByteView stream);

    /// In bytes; 0: unknown.
    std::uint64_t size_of(std::uint32_t type_index) const;

  private:
    std::vector<std::uint64_t> sizes_; ///< by index - first_
    std::uint32_t first_ = 0x1000;
};

} // namespace suture::program
