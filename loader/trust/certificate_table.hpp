#pragma once

#include "engine/pe/image.hpp"

#include <cstddef>

namespace suture::trust {

/// Bytes of a certificate table. A signature with its chain and a time stamp has about 10 kilobytes.
inline constexpr std::size_t kMaxCertificateTable = std::size_t{1} << 20;

/// Where a signed image has its signature.
struct CertificateTable {
    FileOffset begin; ///< of the table; it goes up to the end of the file
    ByteView pkcs7;   ///< the PKCS #7 structure; nothing but zeros, fewer than 8, follows it
};

/// The certificate table of an image in the file layout (Microsoft PE Format, "The Attribute Certificate Table"): one
/// WIN_CERTIFICATE of revision 2.0 and type PKCS_SIGNED_DATA behind everything else in the file.
/// Errors: unsigned_package, signature_stripped, signature_malformed, data_after_signature, several_signatures.
Result<CertificateTable> find_certificate_table(const pe::Image& image);

} // namespace suture::trust
