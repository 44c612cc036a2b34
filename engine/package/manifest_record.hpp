#pragma once

#include "engine/package/byte_cursor.hpp"
#include "engine/package/package.hpp"

namespace suture::package {

/// Bytes that a site of this kind replaces at the entry; `wide` where its branch is.
std::uint32_t entry_size_of(isa::SiteKind kind, bool wide);

/// The part of a manifest that no structure of Windows has room for. docs/format.md, "Manifest record".
Bytes encode_manifest_record(const Manifest& manifest);

/// Fills in what encode_manifest_record() wrote; each of `manifest.functions` must already hold its RVAs. Nothing may
/// follow the record. Error: package_malformed.
Result<void> decode_manifest_record(ByteView bytes, Manifest& manifest);

} // namespace suture::package
