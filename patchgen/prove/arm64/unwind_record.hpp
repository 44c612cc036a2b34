#pragma once

#include "engine/pe/runtime_functions.hpp"

namespace suture::prove::arm64 {

/// Unwind data of a stretch of Arm64 code, as far as the proof compares it ("ARM64 exception handling", Microsoft
/// Learn).
struct UnwindRecord {
    Bytes bytes; ///< of the .xdata record, handler excluded; empty where the entry is packed
    bool has_handler = false;
    Bytes prologue; ///< unwind codes of the prologue, `end` included; empty where the entry is packed
    std::vector<RvaRange> frame_changes; ///< offsets from the entry: where the frame is made or taken down
};

/// Error: pe_bad_directory.
Result<UnwindRecord> unwind_record_of(const pe::Image& image, const pe::RuntimeFunction& entry);

/// The second word of a packed entry (Flag 2) for `size` bytes of code within the frame of the function that `packed`
/// describes.
std::uint32_t packed_fragment(std::uint32_t packed, std::uint32_t size);
/// True if `record`, read for `size` bytes, says that all of them lie within the frame that `prologue` makes.
bool is_fragment_within(const UnwindRecord& record, std::uint32_t size, ByteView prologue);

} // namespace suture::prove::arm64
