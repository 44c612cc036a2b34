#include "loader/trust/trust_anchor.hpp"

#include "loader/trust/pem.hpp"

namespace suture::trust {

namespace {

std::unexpected<Error> unreadable(std::string detail) {
    return fail(Code::trust_anchor_unreadable, std::move(detail));
}

} // namespace

Result<TrustAnchor> TrustAnchor::parse(ByteView file) {
    if (file.empty() || file.size() > kMaxAnchorFile)
        return unreadable(file.empty() ? "it is empty" : "it is too large");
    Bytes der;
    if (file[0] == static_cast<std::uint8_t>(DerTag::sequence)) {
        der = file.copy();
    } else {
        auto blocks = parse_pem(file, "CERTIFICATE");
        if (!blocks)
            return unreadable("its PEM is malformed");
        if (blocks->size() != 1)
            return unreadable(blocks->empty() ? "it holds no certificate" : "it holds more than one certificate");
        der = std::move(blocks->front());
    }
    auto owned = std::make_shared<const Bytes>(std::move(der));
    const auto certificate = parse_certificate(*owned);
    if (!certificate)
        return unreadable("the certificate is malformed");
    return TrustAnchor(std::move(owned), *certificate);
}

} // namespace suture::trust
