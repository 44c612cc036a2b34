#include "loader/trust/certificate.hpp"

#include "loader/trust/name.hpp"
#include "loader/trust/oid.hpp"

#include <bit>

namespace suture::trust {

namespace {

constexpr std::uint8_t kDigitalSignature = 0x80;
constexpr std::uint8_t kCrlSign = 0x02;

/// Bits of a positive INTEGER.
std::size_t bits_of(ByteView integer) {
    std::size_t zeros = 0;
    while (zeros < integer.size() && integer[zeros] == 0)
        ++zeros;
    if (zeros == integer.size())
        return 0;
    return (integer.size() - zeros - 1) * 8 + static_cast<std::size_t>(std::bit_width(unsigned{integer[zeros]}));
}

bool read_key(DerReader info, Certificate& into) {
    DerReader algorithm = info.enter(DerTag::sequence);
    const ByteView kind = algorithm.take(DerTag::object_identifier).content;
    const ByteView bits = info.take(DerTag::bit_string).content;
    if (algorithm.failed() || !info.done() || bits.empty() || bits[0] != 0)
        return false;
    into.key_bits = *bits.from(1);
    if (kind == oid::kRsa) {
        DerReader key = DerReader(into.key_bits).enter(DerTag::sequence);
        into.key = KeyKind::rsa;
        into.rsa_bits = bits_of(key.take(DerTag::integer).content);
        key.take(DerTag::integer);
        return key.done();
    }
    if (kind == oid::kEcKey) {
        into.key = KeyKind::elliptic;
        into.key_parameters = algorithm.take(DerTag::object_identifier).content;
    }
    return true;
}

bool read_key_usage(ByteView value, Certificate& into) {
    DerReader reader(value);
    const ByteView bits = reader.take(DerTag::bit_string).content;
    if (!reader.done() || bits.empty())
        return false;
    const unsigned first = bits.size() > 1 ? bits[1] : 0u;
    into.key_usage = {(first & kDigitalSignature) != 0, (first & kCrlSign) != 0};
    return true;
}

bool read_purposes(ByteView value, Certificate& into) {
    DerReader reader(value);
    DerReader purposes = reader.enter(DerTag::sequence);
    Certificate::Purposes found;
    while (!purposes.failed() && !purposes.empty()) {
        const ByteView purpose = purposes.take(DerTag::object_identifier).content;
        if (purpose == oid::kCodeSigning)
            found.code_signing = true;
        else if (purpose == oid::kTimeStamping)
            found.time_stamping = true;
        else if (purpose == oid::kLifetimeSigning)
            found.lifetime_signing = true;
        else if (purpose == oid::kAnyUse)
            found.any = true;
        else
            found.others = true;
    }
    into.purposes = found;
    return reader.done() && purposes.done();
}

bool read_extensions(DerReader extensions, Certificate& into) {
    while (!extensions.failed() && !extensions.empty()) {
        DerReader extension = extensions.enter(DerTag::sequence);
        const ByteView kind = extension.take(DerTag::object_identifier).content;
        extension.take_if(DerTag::boolean);
        const ByteView value = extension.take(DerTag::octet_string).content;
        if (!extension.done())
            return false;
        if (kind == oid::kKeyUsage && (into.key_usage || !read_key_usage(value, into)))
            return false;
        if (kind == oid::kExtendedKeyUsage && (into.purposes || !read_purposes(value, into)))
            return false;
    }
    return extensions.done();
}

} // namespace

std::optional<Certificate> parse_certificate(ByteView der) {
    Certificate certificate;
    certificate.der = der;
    DerReader outer(der);
    DerReader whole = outer.enter(DerTag::sequence);
    DerReader body = whole.enter(DerTag::sequence);
    certificate.signature_algorithm = whole.take(DerTag::sequence).content;
    whole.take(DerTag::bit_string);
    body.take_if(DerTag::context_0); // version
    certificate.serial = body.take(DerTag::integer).content;
    body.take(DerTag::sequence);
    certificate.issuer = body.take(DerTag::sequence).whole;
    DerReader validity = body.enter(DerTag::sequence);
    const auto from = parse_time(validity.take());
    const auto to = parse_time(validity.take());
    certificate.subject = body.take(DerTag::sequence).whole;
    DerReader key = body.enter(DerTag::sequence);
    if (!outer.done() || !whole.done() || body.failed() || !validity.done() || !from || !to ||
        !read_key(key, certificate))
        return std::nullopt;
    certificate.not_before = *from;
    certificate.not_after = *to;
    while (!body.failed() && !body.empty()) {
        if (!body.at(DerTag::context_3)) { // unique identifiers
            body.take();
            continue;
        }
        DerReader wrapped = body.enter(DerTag::context_3);
        const DerReader extensions = wrapped.enter(DerTag::sequence);
        if (!wrapped.done() || !read_extensions(extensions, certificate))
            return std::nullopt;
    }
    return body.done() ? std::optional(certificate) : std::nullopt;
}

std::string Certificate::subject_text() const {
    return text_of_name(subject);
}

std::string Certificate::issuer_text() const {
    return text_of_name(issuer);
}

} // namespace suture::trust
