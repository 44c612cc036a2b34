#pragma once

#include "loader/trust/certificate.hpp"

#include <cstddef>
#include <memory>

namespace suture::trust {

/// Bytes of a file that holds a trust anchor; certificates have a few kilobytes.
inline constexpr std::size_t kMaxAnchorFile = std::size_t{1} << 20;

/// A certificate that signers are trusted by: their own, or that of an authority above them.
class TrustAnchor {
  public:
    /// A certificate as PEM (other blocks beside it are passed over) or DER. Error: trust_anchor_unreadable, for more
    /// than one certificate too.
    static Result<TrustAnchor> parse(ByteView file);

    /// Whom it is issued to, in one line.
    std::string subject() const { return certificate_.subject_text(); }
    /// Shows bytes that live as long as this object or a copy of it.
    const Certificate& certificate() const { return certificate_; }

  private:
    TrustAnchor(std::shared_ptr<const Bytes> der, const Certificate& certificate)
        : der_(std::move(der)), certificate_(certificate) {}

    std::shared_ptr<const Bytes> der_;
    Certificate certificate_;
};

} // namespace suture::trust
