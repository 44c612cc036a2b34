#include "loader/trust/der.hpp"

#include <openssl/asn1.h>
#include <openssl/err.h>

#include <climits>

namespace suture::trust {

std::optional<DerValue> take_der(ByteView& from, DerTag tag) {
    if (from.empty() || from.size() > LONG_MAX)
        return std::nullopt;
    const std::uint8_t* at = from.data();
    long size = 0;
    int found = 0;
    int kind = 0;
    // Bit 7: malformed or longer than what is there; bit 0: indefinite length.
    const int flags = ASN1_get_object(&at, &size, &found, &kind, static_cast<long>(from.size()));
    ERR_clear_error();
    if ((flags & 0x81) != 0 || size < 0 || kind != V_ASN1_UNIVERSAL || found != static_cast<int>(tag))
        return std::nullopt;
    const auto header = static_cast<std::size_t>(at - from.data());
    const auto length = static_cast<std::size_t>(size);
    const auto whole = from.slice(0, header + length);
    if (!whole)
        return std::nullopt;
    from = *from.from(header + length);
    return DerValue{*whole, *whole->from(header)};
}

} // namespace suture::trust
