#pragma once

#include "loader/trust/revocation_list.hpp"
#include "loader/trust/trust_anchor.hpp"

#include <array>
#include <cstdint>

namespace suture::trust {

/// Whom the user trusts.
struct TrustPolicy {
    std::vector<TrustAnchor> anchors{};
    std::vector<TrustAnchor> timestamp_anchors{};   ///< empty: those above
    std::vector<RevocationList> revocation_lists{}; ///< where there are any, one must speak of the signer
    Time now = trust::now();
};

/// Who signed a package.
struct Signer {
    std::string subject;                        ///< distinguished name, in one line
    std::string issuer;                         ///< of the signer's certificate
    std::array<std::uint8_t, 32> certificate{}; ///< SHA-256 of the signer's certificate
    std::optional<Time> stamped;                ///< when, as a time stamp says that is trusted
};

/// Verifies the Authenticode signature of a PE file: its digest is that of these bytes, the signature over it holds,
/// the signer's certificate leads to an anchor, may sign code, and was valid when a trusted time stamp says that it was
/// used, or is valid now where there is none; and no revocation list says otherwise. Of the file, no more is read than
/// that needs. Nothing is asked of a network or of the system's list of authorities.
///
/// Errors: unsigned_package, signature_stripped, signature_malformed, data_after_signature, several_signatures,
/// signature_weak, signature_unsupported, signature_digest_differs, signature_invalid, signer_not_trusted,
/// signer_not_for_code, certificate_expired, certificate_not_yet_valid, certificate_revoked, timestamp_invalid,
/// timestamp_not_trusted, revocation_list_invalid, revocation_list_outdated, revocation_unknown, and those of
/// pe::Image::parse.
Result<Signer> verify_signature(ByteView file, const TrustPolicy& policy);

} // namespace suture::trust
