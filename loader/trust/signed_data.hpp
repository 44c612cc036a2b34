#pragma once

#include "loader/trust/algorithms.hpp"
#include "loader/trust/certificate.hpp"

namespace suture::trust {

/// Most certificates of one signature that are looked at; with cross-signed authorities there are about ten.
inline constexpr std::size_t kMaxCertificates = 64;
/// Most time stamps of one signature.
inline constexpr std::size_t kMaxTimeStamps = 4;

/// A SignerInfo of PKCS #7 and CMS (RFC 2315, 9.2; RFC 5652, 5.3). Shows bytes that it does not own.
struct SignerInfo {
    ByteView issuer; ///< Name, DER
    ByteView serial; ///< content of the INTEGER
    Digest digest{};
    SignatureAlgorithm algorithm{};
    ByteView attributes; ///< those that are signed, without the tag
    ByteView content_type;
    ByteView message_digest;
    std::optional<Time> signing_time;
    ByteView signature;

    // not signed
    std::vector<ByteView> tokens;            ///< RFC 3161 time stamps, each a ContentInfo
    std::vector<ByteView> countersignatures; ///< each a SignerInfo
    bool nested = false;                     ///< it carries another signature
};

/// A SignedData, its structure checked and nothing else: it may be forged.
struct SignedData {
    ByteView content_type;
    DerTag content_tag{};
    ByteView content; ///< what the signature is over: the content without tag and length
    std::vector<Certificate> certificates;
    SignerInfo signer; ///< the only one
};

/// Of a ContentInfo, with nothing behind it. Errors: signature_malformed, several_signatures, signature_weak,
/// signature_unsupported.
Result<SignedData> parse_signed_data(ByteView pkcs7);
/// Of one SignerInfo. Errors: as of parse_signed_data.
Result<SignerInfo> parse_signer_info(ByteView der);

/// The certificate of the signer, once the signed attributes are for this kind of content and for these bytes and the
/// signature over them holds. Without the attributes a signature over other data could be taken for one over an image.
/// Errors: signature_malformed, signature_invalid, signature_unsupported.
Result<Certificate> verify_signer(const SignerInfo& signer, ByteView content_type, ByteView content,
                                  const std::vector<Certificate>& certificates);

} // namespace suture::trust
