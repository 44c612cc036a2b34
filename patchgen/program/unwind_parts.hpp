#pragma once

#include "patchgen/program/program.hpp"

namespace suture::program {

/// A contiguous stretch of code with unwind data: an entry of .pdata, with the chained ones that follow it directly.
struct UnwindPart {
    RvaRange range;
    Rva root; ///< entry of the function: range.begin, or that of another part where this one is chained to it

    bool separated() const { return root != range.begin; }
};

/// All parts in ascending order. Entries whose unwind data cannot be read stand for themselves, with a conflict.
std::vector<UnwindPart> unwind_parts_of(const pe::Image& image, std::span<const pe::RuntimeFunction> entries,
                                        std::vector<Conflict>& conflicts);

/// Addresses that unwind data leads to (scopes of __try blocks, in the layout of __C_specific_handler), in no order.
/// Data of other handlers that has another layout yields nothing.
std::vector<Rva> unwind_targets_of(const pe::Image& image, std::span<const pe::RuntimeFunction> entries);

} // namespace suture::program
