#pragma once

#include "engine/pe/image.hpp"
#include "loader/trust/algorithms.hpp"

namespace suture::trust {

/// The Authenticode digest of an image in the file layout: over all bytes before its certificate table, less the
/// CheckSum field and the table's entry among the data directories (Windows Authenticode Portable Executable Signature
/// Format, "Calculating the PE Image Hash"). Errors: signature_malformed, where the two fields are not in the headers;
/// signature_unsupported.
Result<Bytes> image_digest(const pe::Image& image, FileOffset certificates, Digest algorithm);

} // namespace suture::trust
