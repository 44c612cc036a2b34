#pragma once

#include "engine/core/address.hpp"
#include "engine/core/hash.hpp"

namespace suture::package {

/// The fields of a package file that its digest leaves out: those that signing changes, and itself.
struct DigestHoles {
    FileOffset checksum;           ///< 4 bytes: CheckSum of the optional header
    FileOffset certificates_entry; ///< 8 bytes: the certificate data directory
    FileOffset digest;             ///< 16 bytes: HotpHeader::digest
};

/// XXH3-128 of `covered`, the file without its certificate table, less the holes. The holes must lie inside, in the
/// order of the fields.
Digest file_digest(ByteView covered, const DigestHoles& holes);

} // namespace suture::package
