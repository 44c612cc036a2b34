#include "loader/trust/openssl/handles.hpp"

#include <openssl/err.h>

namespace suture::trust {

OwnedCertificate read_certificate(ByteView der) {
    const std::uint8_t* at = der.data();
    return OwnedCertificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

std::string openssl_reason() {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason ? reason : "no reason given";
}

} // namespace suture::trust
