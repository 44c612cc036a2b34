#pragma once

#include "patchgen/program/program.hpp"

namespace suture::emit::arm64 {

/// Where in the range of an entry of .pdata the frame stands that it describes ("ARM64 exception handling", Microsoft
/// Learn).
struct Frame {
    std::uint32_t prologue = 0;      ///< bytes; of packed entries perhaps some more than there are
    std::vector<RvaRange> epilogues; ///< offsets in the entry's range; likewise
    /// Of an .xdata record: end_c and the codes that undo the whole frame, up to `end`. Empty where the entry is
    /// packed.
    Bytes codes;

    /// True if the instruction at `offset` of the entry's range is neither in the prologue nor in an epilogue.
    bool stands_at(std::uint32_t offset) const;
};

/// The frame of an entry. Error: pe_bad_directory.
Result<Frame> frame_of(const pe::Image& image, const pe::RuntimeFunction& entry);

} // namespace suture::emit::arm64
