#pragma once

#include "loader/trust/certificate.hpp"

#include <cstddef>
#include <memory>

namespace suture::trust {

/// Bytes of a file that holds revocation lists. The largest that authorities publish have some tens of megabytes.
inline constexpr std::size_t kMaxRevocationFile = std::size_t{1} << 26;

/// A certificate revocation list (RFC 5280, 5), its structure checked and nothing else: it may be forged.
class RevocationList {
  public:
    /// Lists as PEM, or one as DER. Error: revocation_list_unreadable, also for lists that hold only part of what is
    /// revoked (delta lists, lists of some reasons) or speak for other issuers (indirect lists).
    static Result<std::vector<RevocationList>> parse(ByteView file);

    /// An entry of a list.
    struct Entry {
        Time when; ///< from then on nothing that the certificate says counts
        unsigned reason = 0;
    };
    /// The entry of this certificate, which must be of the list's issuer.
    std::optional<Entry> find(const Certificate& certificate) const;

    ByteView issuer() const { return issuer_; }
    Time since() const { return since_; }
    /// When its issuer has promised the next one; nothing: it did not say.
    std::optional<Time> until() const { return until_; }
    /// Whether it says something of signers, and of authorities.
    bool covers_signers() const { return !only_authorities_; }
    bool covers_authorities() const { return !only_signers_; }

    ByteView signed_bytes() const { return signed_bytes_; }
    ByteView signature_algorithm() const { return signature_algorithm_; } ///< content of the AlgorithmIdentifier
    ByteView signature() const { return signature_; }

  private:
    bool read(ByteView der);
    bool read_extensions(DerReader extensions);

    std::shared_ptr<const Bytes> der_;
    ByteView issuer_;
    Time since_;
    std::optional<Time> until_;
    ByteView entries_;
    bool only_signers_ = false;
    bool only_authorities_ = false;
    ByteView signed_bytes_;
    ByteView signature_algorithm_;
    ByteView signature_;
};

/// "key compromise", … (RFC 5280, 5.3.1)
std::string_view text_of_revocation(unsigned reason);

} // namespace suture::trust
