#pragma once

#include "loader/trust/certificate.hpp"

#include <span>

/// What is left to the cryptography of the system; there is a folder for each: openssl/ and windows/.
namespace suture::trust::system {

/// Most certificates between a signer's and the anchor.
inline constexpr int kMaxIntermediates = 8;

/// The digest of these parts, one after the other. Error: signature_unsupported.
Result<Bytes> digest(Digest algorithm, std::span<const ByteView> parts);

/// Whether the key of this certificate signed this digest: RSA with PKCS #1 v1.5, or ECDSA with a DER signature.
/// Errors: signature_invalid, signature_unsupported.
Result<void> verify(const Certificate& certificate, Digest algorithm, ByteView digest, ByteView signature);

/// What a chain is for: systems that have rules of their own for it apply them.
enum class ChainUse { code, time_stamps };

/// The certificates from `leaf` up to and with one of the anchors, each valid at that moment and signed by the next,
/// which is an authority for it; taken from the leaf, `others` and the anchors and from nowhere else. An anchor is
/// trusted as it stands, whoever issued it. What the certificates may be used for is not looked at.
/// Errors: signer_not_trusted, certificate_expired, certificate_not_yet_valid, signature_weak.
Result<std::vector<Certificate>> find_chain(const Certificate& leaf, std::span<const Certificate> others,
                                            std::span<const Certificate> anchors, Time when, ChainUse use);

/// What the system itself says of a signed file, but for whom it trusts. Errors: signature_invalid,
/// signature_unsupported.
Result<void> confirm(ByteView file, const Certificate& signer);

} // namespace suture::trust::system
