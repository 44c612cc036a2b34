#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

#include <cstddef>
#include <memory>
#include <string>

struct x509_st;

namespace suture::trust {

/// Bytes of a file that holds a trust anchor; certificates have a few kilobytes.
inline constexpr std::size_t kMaxAnchorFile = std::size_t{1} << 20;

/// The one certificate that signers are trusted by: their own, or that of an authority above them.
class TrustAnchor {
  public:
    /// A certificate as PEM (other blocks beside it are passed over) or DER. Error: trust_anchor_unreadable, for more
    /// than one certificate too.
    static Result<TrustAnchor> parse(ByteView file);

    /// Whom it is issued to, in one line.
    std::string subject() const;
    /// For the functions of OpenSSL; lives as long as this object or a copy of it.
    x509_st* certificate() const { return certificate_.get(); }

  private:
    explicit TrustAnchor(std::shared_ptr<x509_st> certificate) : certificate_(std::move(certificate)) {}

    std::shared_ptr<x509_st> certificate_;
};

} // namespace suture::trust
