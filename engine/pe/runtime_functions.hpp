#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// An entry of the exception directory (RUNTIME_FUNCTION; "x64 exception handling" and "ARM64 exception handling",
/// Microsoft Learn).
struct RuntimeFunction {
    RvaRange range;
    /// Its UNWIND_INFO (x64) or .xdata record (Arm64); RVA 0 where the entry is packed.
    Rva unwind_info;
    /// Arm64: the entry's second word where it holds the unwind data itself (Flag 1, or 2 for a fragment without
    /// prologue); else 0.
    std::uint32_t packed = 0;

    auto operator<=>(const RuntimeFunction&) const = default;
};

/// Where runtime_functions_of() reads 4 bytes outside of the exception directory, in the order of the entries: where
/// the image is Arm64, and an entry says its length in an .xdata record. For images that are fetched piece by piece.
std::vector<Rva> length_words_of(const Image& image);

/// All entries in ascending order; entries that cover no byte, which compilers write for empty cold parts, are left
/// out. Errors: pe_bad_directory (not ascending, overlapping, outside the image).
Result<std::vector<RuntimeFunction>> runtime_functions_of(const Image& image);

/// The entry that covers `rva`, or nullptr. `functions` must ascend.
const RuntimeFunction* runtime_function_at(std::span<const RuntimeFunction> functions, Rva rva);

} // namespace suture::pe
