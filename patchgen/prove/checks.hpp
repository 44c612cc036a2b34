#pragma once

#include "engine/package/reader.hpp"
#include "patchgen/program/program.hpp"

namespace suture::prove {

/// That the manifest describes this baseline: headers, hashes, sections, each function's bytes. Error: proof_failed.
Result<void> check_manifest(const program::Program& baseline, const package::Manifest& manifest);

/// That each redirect site can be written into this baseline: its kind holds, its continuation can be made, no two
/// share bytes, and nothing refers into the bytes that change. Error: proof_failed.
Result<void> check_sites(const program::Program& baseline, const package::Manifest& manifest);

} // namespace suture::prove
