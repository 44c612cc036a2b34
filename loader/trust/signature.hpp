#pragma once

#include "loader/trust/trust_anchor.hpp"

#include <array>
#include <cstdint>

namespace suture::trust {

/// Who signed a package.
struct Signer {
    std::string subject;                        ///< distinguished name, in one line
    std::string issuer;                         ///< of the signer's certificate
    std::array<std::uint8_t, 32> certificate{}; ///< SHA-256 of the signer's certificate
};

/// Most certificates between the signer's and the anchor.
inline constexpr int kMaxIntermediates = 8;

/// Verifies the Authenticode signature of a PE file: its digest is that of these bytes, the signature over it holds,
/// the signer's certificate leads to the anchor, is valid at this moment and may sign code. Of the file, no more is
/// read than that needs. Nothing is asked of a network or of the system's list of authorities.
///
/// Errors: unsigned_package, signature_malformed, signature_digest_differs, signature_invalid, signer_not_trusted,
/// signer_not_for_code, certificate_expired, certificate_not_yet_valid, and those of pe::Image::parse.
Result<Signer> verify_signature(ByteView file, const TrustAnchor& anchor);

} // namespace suture::trust
