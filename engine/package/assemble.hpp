#pragma once

#include "engine/package/file_digest.hpp"
#include "engine/package/writer.hpp"

namespace suture::package {

/// The one file that says what `contents` says, checked against the rules of the format: what write_package() gives,
/// but for rules that only the reader can check (import table, unwind data). Error: package_malformed.
Result<Bytes> assemble(const Contents& contents);

/// Puts TimeDateStamp (4 bytes at `time_date_stamp`), digest and CheckSum into a file whose other bytes are final. The
/// file ends with the last byte the digest covers and has no certificate entry.
void seal(Bytes& file, FileOffset time_date_stamp, const DigestHoles& holes);

} // namespace suture::package
