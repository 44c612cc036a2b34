#include "loader/trust/trust_anchor.hpp"

#include "loader/trust/openssl.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace suture::trust {

namespace {

/// OpenSSL would ask for a password on the terminal.
int no_password(char*, int, int, void*) {
    return -1;
}

std::unexpected<Error> unreadable(std::string detail) {
    return fail(Code::trust_anchor_unreadable, std::move(detail));
}

} // namespace

Result<TrustAnchor> TrustAnchor::parse(ByteView file) {
    if (file.empty() || file.size() > kMaxAnchorFile)
        return unreadable(file.empty() ? "it is empty" : "it is too large");
    const std::uint8_t* at = file.data();
    if (OwnedCertificate der(d2i_X509(nullptr, &at, static_cast<long>(file.size()))); der) {
        if (at != file.data() + file.size())
            return unreadable("something follows the certificate");
        return TrustAnchor(std::shared_ptr<x509_st>(std::move(der)));
    }
    const OwnedBio pem = bio_of(file);
    OwnedCertificate first(pem ? PEM_read_bio_X509(pem.get(), nullptr, no_password, nullptr) : nullptr);
    if (!first)
        return unreadable(openssl_reason());
    const OwnedCertificate second(PEM_read_bio_X509(pem.get(), nullptr, no_password, nullptr));
    ERR_clear_error();
    if (second)
        return unreadable("it holds more than one certificate");
    return TrustAnchor(std::shared_ptr<x509_st>(std::move(first)));
}

std::string TrustAnchor::subject() const {
    return text_of(X509_get_subject_name(certificate_.get()));
}

} // namespace suture::trust
