#pragma once

#include "engine/core/result.hpp"
#include "engine/pe/image.hpp"

#include <openssl/evp.h>

namespace suture::trust {

/// The Authenticode digest of an image in the file layout: over all bytes before its certificate table, less the
/// CheckSum field and the table's entry among the data directories (Windows Authenticode Portable Executable Signature
/// Format, "Calculating the PE Image Hash"). Error: signature_malformed, where the two fields are not in the headers.
Result<Bytes> image_digest(const pe::Image& image, FileOffset certificates, const EVP_MD* algorithm);

} // namespace suture::trust
