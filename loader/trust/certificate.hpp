#pragma once

#include "loader/trust/algorithms.hpp"
#include "loader/trust/time.hpp"

#include <string>

namespace suture::trust {

/// What an X.509 certificate says (RFC 5280, 4.1), read and not believed. Does not own the bytes that it shows.
struct Certificate {
    ByteView der;
    ByteView serial;  ///< content of the INTEGER
    ByteView issuer;  ///< Name, DER
    ByteView subject; ///< Name, DER
    Time not_before;
    Time not_after;
    ByteView signature_algorithm; ///< content of the AlgorithmIdentifier

    KeyKind key = KeyKind::other;
    ByteView key_parameters; ///< of an elliptic key: the identifier of its curve
    ByteView key_bits;       ///< RSAPublicKey, or the point
    std::size_t rsa_bits = 0;

    /// Uses of the key, where the certificate limits them.
    struct KeyUsage {
        bool signs_data;
        bool signs_lists;
    };
    std::optional<KeyUsage> key_usage;
    /// Extended uses, where the certificate limits them.
    struct Purposes {
        bool code_signing = false;
        bool time_stamping = false;
        bool lifetime_signing = false; ///< its signatures end with it, time-stamped or not
        bool any = false;
        bool others = false;
    };
    std::optional<Purposes> purposes;

    std::string subject_text() const;
    std::string issuer_text() const;

    friend bool operator==(const Certificate& a, const Certificate& b) { return a.der == b.der; }
};

/// Exactly one certificate; nothing where it is malformed in what is read here.
std::optional<Certificate> parse_certificate(ByteView der);

} // namespace suture::trust
