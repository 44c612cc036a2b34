#pragma once

#include "engine/package/package.hpp"

namespace suture::package {

/// A FUNCTION record: where the baseline is left, and for where.
struct FunctionRecord {
    Rva baseline;
    Rva patch;
};

/// What the patch table says.
struct PatchTable {
    std::vector<FunctionRecord> functions;                ///< in the order of the records
    std::vector<Rva> call_targets, baseline_call_targets; ///< in the order of the records
    std::vector<Fixup> fixups;                            ///< ascending by `source`
    std::uint32_t size = 0;                               ///< bytes, the terminator included
};

/// The chunks of a patch table, its terminator included: the functions, then call targets, then the fixups by kind and
/// addend. Every list must be in the order that Manifest documents.
Bytes encode_patch_table(const Manifest& manifest);

/// Reads chunks up to the terminator; `bytes` may go on behind it. Error: package_malformed.
Result<PatchTable> decode_patch_table(ByteView bytes);

} // namespace suture::package
