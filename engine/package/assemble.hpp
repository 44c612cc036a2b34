#pragma once

#include "engine/package/file_digest.hpp"
#include "engine/package/writer.hpp"

namespace suture::package {

/// The one file that says what `contents` says, checked against the rules of the format: what write_package() gives,
/// but for rules that only the reader can check (import table, unwind data). Error: package_malformed.
Result<Bytes> assemble(const Contents& contents);

/// Puts digest and CheckSum into a file whose other bytes are final. The file ends with the last byte the digest
/// covers.
void seal(Bytes& file, const DigestHoles& holes);

} // namespace suture::package
