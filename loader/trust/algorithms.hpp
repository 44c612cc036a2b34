#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

namespace suture::trust {

/// The digests that are taken for strong.
enum class Digest { sha256, sha384, sha512 };

/// What a key is for.
enum class KeyKind { rsa, elliptic, other };

/// Least bits of an RSA key: 112 bits of strength (NIST SP 800-57, part 1, table 2).
inline constexpr std::size_t kMinRsaBits = 2048;

/// A signature's algorithm: what made the digest, and which kind of key signed it.
struct SignatureAlgorithm {
    Digest digest;
    KeyKind key;
};

/// Of an AlgorithmIdentifier's content. Errors: signature_weak for MD5 and SHA-1, signature_unsupported.
Result<Digest> parse_digest(ByteView algorithm);

/// Of an AlgorithmIdentifier's content, where it names both: sha256WithRSAEncryption. Errors: as parse_digest.
Result<SignatureAlgorithm> parse_signature_algorithm(ByteView algorithm);

/// The same where the digest is named elsewhere, and may be left out here: rsaEncryption.
/// Errors: as parse_digest; signature_malformed where the two contradict each other.
Result<SignatureAlgorithm> parse_signature_algorithm(ByteView algorithm, Digest digest);

} // namespace suture::trust
