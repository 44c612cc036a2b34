#include "loader/trust/openssl.hpp"

#include <openssl/err.h>

#include <climits>

namespace suture::trust {

OwnedBio bio_of(ByteView bytes) {
    return OwnedBio(bytes.size() > INT_MAX ? nullptr : BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string openssl_reason() {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason ? reason : "no reason given";
}

std::string text_of(const X509_NAME* name) {
    const OwnedBio bio(BIO_new(BIO_s_mem()));
    if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0)
        return "a name that cannot be shown";
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : "no name";
}

} // namespace suture::trust
