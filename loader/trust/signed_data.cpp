#include "loader/trust/signed_data.hpp"

#include "loader/trust/oid.hpp"
#include "loader/trust/system.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::trust {

namespace {

std::unexpected<Error> malformed(std::string detail) {
    return fail(Code::signature_malformed, std::move(detail));
}

/// One attribute: its kind and the values of its set.
struct Attribute {
    ByteView kind;
    DerReader values;
};

Attribute take_attribute(DerReader& from) {
    DerReader one = from.enter(DerTag::sequence);
    const ByteView kind = one.take(DerTag::object_identifier).content;
    DerReader values = one.enter(DerTag::set);
    if (!one.done())
        values.take(); // fails: there may be nothing behind the set
    return {kind, values};
}

Result<void> read_signed_attributes(ByteView content, SignerInfo& into) {
    DerReader attributes(content);
    while (!attributes.failed() && !attributes.empty()) {
        auto [kind, values] = take_attribute(attributes);
        const bool type = kind == oid::kContentType;
        const bool digest = kind == oid::kMessageDigest;
        const bool time = kind == oid::kSigningTime;
        if (!type && !digest && !time)
            continue;
        const DerValue value = values.take();
        if (!values.done() || (type && (value.tag != DerTag::object_identifier || !into.content_type.empty())) ||
            (digest && (value.tag != DerTag::octet_string || !into.message_digest.empty())))
            return malformed("a signed attribute is malformed, or is there twice");
        if (type)
            into.content_type = value.content;
        else if (digest)
            into.message_digest = value.content;
        else
            into.signing_time = parse_time(value);
    }
    if (!attributes.done() || into.content_type.empty() || into.message_digest.empty())
        return malformed("the signed attributes do not say what is signed");
    return {};
}

Result<void> read_unsigned_attributes(DerReader attributes, SignerInfo& into) {
    while (!attributes.failed() && !attributes.empty()) {
        auto [kind, values] = take_attribute(attributes);
        into.nested = into.nested || kind == oid::kNestedSignature;
        const bool token = kind == oid::kTimeStampToken;
        if (!token && !(kind == oid::kCountersignature))
            continue;
        while (!values.failed() && !values.empty())
            (token ? into.tokens : into.countersignatures).push_back(values.take(DerTag::sequence).whole);
        if (!values.done())
            return malformed("an unsigned attribute is malformed");
        if (into.tokens.size() + into.countersignatures.size() > kMaxTimeStamps)
            return malformed(fmt::format("more than {} time stamps", kMaxTimeStamps));
    }
    if (!attributes.done())
        return malformed("the unsigned attributes are malformed");
    return {};
}

Result<void> read_certificates(DerReader set, std::vector<Certificate>& into) {
    while (!set.failed() && !set.empty()) {
        const DerValue value = set.take();
        if (value.tag != DerTag::sequence) // attribute certificates and the like
            continue;
        if (into.size() == kMaxCertificates)
            return malformed(fmt::format("more than {} certificates", kMaxCertificates));
        const auto certificate = parse_certificate(value.whole);
        if (!certificate)
            return malformed("a certificate is malformed");
        into.push_back(*certificate);
    }
    if (!set.done())
        return malformed("the certificates are malformed");
    return {};
}

} // namespace

Result<SignerInfo> parse_signer_info(ByteView der) {
    SignerInfo signer;
    DerReader outer(der);
    DerReader info = outer.enter(DerTag::sequence);
    info.take(DerTag::integer); // version
    DerReader name = info.enter(DerTag::sequence);
    signer.issuer = name.take(DerTag::sequence).whole;
    signer.serial = name.take(DerTag::integer).content;
    const ByteView digest = info.take(DerTag::sequence).content;
    const DerValue attributes = info.take(DerTag::context_0);
    const ByteView algorithm = info.take(DerTag::sequence).content;
    signer.signature = info.take(DerTag::octet_string).content;
    if (!outer.done() || !name.done() || info.failed())
        return malformed("the description of the signer is malformed");
    signer.attributes = *attributes.whole.from(1);
    SUTURE_TRY(signer.digest, parse_digest(digest));
    SUTURE_TRY(signer.algorithm, parse_signature_algorithm(algorithm, signer.digest));
    SUTURE_CHECK(read_signed_attributes(attributes.content, signer));
    if (info.at(DerTag::context_1))
        SUTURE_CHECK(read_unsigned_attributes(info.enter(DerTag::context_1), signer));
    if (!info.done())
        return malformed("something follows the description of the signer");
    return signer;
}

Result<SignedData> parse_signed_data(ByteView pkcs7) {
    SignedData data;
    DerReader outer(pkcs7);
    DerReader info = outer.enter(DerTag::sequence);
    const ByteView kind = info.take(DerTag::object_identifier).content;
    DerReader wrapped = info.enter(DerTag::context_0);
    DerReader body = wrapped.enter(DerTag::sequence);
    if (!outer.done() || !info.done() || !wrapped.done() || !(kind == oid::kSignedData))
        return malformed("the signature is no SignedData of PKCS #7");
    body.take(DerTag::integer); // version
    DerReader digests = body.enter(DerTag::set);
    DerReader content = body.enter(DerTag::sequence);
    data.content_type = content.take(DerTag::object_identifier).content;
    DerReader inner = content.enter(DerTag::context_0);
    const DerValue value = inner.take();
    if (body.failed() || !content.done() || !inner.done())
        return malformed("what is signed is not in the signature");
    data.content_tag = value.tag;
    data.content = value.content;
    if (body.at(DerTag::context_0))
        SUTURE_CHECK(read_certificates(body.enter(DerTag::context_0), data.certificates));
    body.take_if(DerTag::context_1); // revocation lists: only those that the user gives count
    DerReader signers = body.enter(DerTag::set);
    if (!body.done())
        return malformed("the signature is malformed");
    const ByteView first = signers.take(DerTag::sequence).whole;
    if (signers.failed())
        return malformed("nobody has signed");
    if (!signers.empty())
        return fail(Code::several_signatures, "more than one has signed");
    SUTURE_TRY(data.signer, parse_signer_info(first));
    while (!digests.failed() && !digests.empty())
        SUTURE_CHECK(parse_digest(digests.take(DerTag::sequence).content));
    if (digests.failed())
        return malformed("the names of the digests are malformed");
    return data;
}

Result<Certificate> verify_signer(const SignerInfo& signer, ByteView content_type, ByteView content,
                                  const std::vector<Certificate>& certificates) {
    if (!(signer.content_type == content_type))
        return malformed("the signed attributes are for something else");
    SUTURE_TRY(const Bytes digest, system::digest(signer.digest, std::array{content}));
    if (!(signer.message_digest == ByteView(digest)))
        return fail(Code::signature_invalid, "the signed digest is not that of what is signed");
    const auto certificate = std::ranges::find_if(certificates, [&](const Certificate& one) {
        return one.issuer == signer.issuer && one.serial == signer.serial;
    });
    if (certificate == certificates.end())
        return fail(Code::signature_invalid, "the signer's certificate is not in the signature");
    if (certificate->key != signer.algorithm.key)
        return fail(Code::signature_unsupported, "the signer's key is of another kind than the signature");
    // They are signed as a SET; where they stand in the signature they have another tag.
    const auto set = std::array{static_cast<std::uint8_t>(DerTag::set)};
    SUTURE_TRY(const Bytes signed_digest, system::digest(signer.digest, std::array{ByteView(set), signer.attributes}));
    SUTURE_CHECK(system::verify(*certificate, signer.digest, signed_digest, signer.signature));
    return *certificate;
}

} // namespace suture::trust
