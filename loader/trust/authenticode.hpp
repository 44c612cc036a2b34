#pragma once

#include "loader/trust/signed_data.hpp"

namespace suture::trust {

/// What the signer says of an image.
struct ImageClaim {
    Digest algorithm{};
    ByteView digest;
};

/// Reads what Windows Authenticode Portable Executable Signature Format describes under "Authenticode Signature
/// Format". Errors: signature_malformed, signature_weak, signature_unsupported.
Result<ImageClaim> parse_image_claim(const SignedData& data);

} // namespace suture::trust
