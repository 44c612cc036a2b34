#pragma once

#include "engine/core/result.hpp"
#include "loader/trust/openssl.hpp"

namespace suture::trust {

/// The PKCS #7 SignedData of an Authenticode signature, its structure checked and nothing else: it may be forged.
struct SignedData {
    OwnedPkcs7 pkcs7;
    PKCS7_SIGNER_INFO* signer = nullptr; ///< the only one, part of `pkcs7`
    Bytes content;                       ///< what the signature is over: SpcIndirectDataContent without tag and length
    const EVP_MD* algorithm = nullptr;   ///< of the image's digest: SHA-256, SHA-384 or SHA-512
    Bytes image_digest;                  ///< that the signer says the image has
};

/// Reads what Windows Authenticode Portable Executable Signature Format describes under "Authenticode Signature
/// Format". Error: signature_malformed, for what that does not allow and for SHA-1 and MD5 as well.
Result<SignedData> parse_signed_data(ByteView pkcs7);

} // namespace suture::trust
