#include "loader/trust/signed_data.hpp"

#include "loader/trust/der.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace suture::trust {

namespace {

constexpr std::string_view kSpcIndirectData = "1.3.6.1.4.1.311.2.1.4";
constexpr std::string_view kSpcPeImageData = "1.3.6.1.4.1.311.2.1.15";

std::unexpected<Error> malformed(std::string detail) {
    return fail(Code::signature_malformed, std::move(detail));
}

std::string dotted(const ASN1_OBJECT* object) {
    std::array<char, 128> text{};
    OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
    return text.data();
}

/// Nothing for what is too weak, or unknown.
const EVP_MD* strong_digest(const X509_ALGOR* algorithm) {
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    switch (OBJ_obj2nid(object)) {
    case NID_sha256:
        return EVP_sha256();
    case NID_sha384:
        return EVP_sha384();
    case NID_sha512:
        return EVP_sha512();
    default:
        return nullptr;
    }
}

/// SpcIndirectDataContent ::= SEQUENCE { SEQUENCE { type OBJECT IDENTIFIER, value ANY }, DigestInfo }
Result<void> read_content(ByteView whole, SignedData& into) {
    const auto content = take_der(whole, DerTag::sequence);
    if (!content || !whole.empty())
        return malformed("what is signed is no SpcIndirectDataContent");
    into.content = content->content.copy();
    ByteView rest = content->content;
    const auto data = take_der(rest, DerTag::sequence);
    ByteView inner = data ? data->content : ByteView();
    const auto type = take_der(inner, DerTag::object_identifier);
    const std::uint8_t* at = type ? type->whole.data() : nullptr;
    const std::unique_ptr<ASN1_OBJECT, Freeing<ASN1_OBJECT_free>> object(
        type ? d2i_ASN1_OBJECT(nullptr, &at, static_cast<long>(type->whole.size())) : nullptr);
    if (!object || dotted(object.get()) != kSpcPeImageData)
        return malformed("what is signed is no PE image");
    const std::uint8_t* end = rest.data();
    const std::unique_ptr<X509_SIG, Freeing<X509_SIG_free>> info(
        d2i_X509_SIG(nullptr, &end, static_cast<long>(rest.size())));
    if (!info || end != rest.data() + rest.size())
        return malformed("the image's digest in the signature is malformed");
    const X509_ALGOR* algorithm = nullptr;
    const ASN1_OCTET_STRING* digest = nullptr;
    X509_SIG_get0(info.get(), &algorithm, &digest);
    into.algorithm = strong_digest(algorithm);
    if (!into.algorithm)
        return malformed("the image's digest is not SHA-256, SHA-384 or SHA-512");
    const std::uint8_t* bytes = ASN1_STRING_get0_data(digest);
    into.image_digest.assign(bytes, bytes + ASN1_STRING_length(digest));
    return {};
}

/// The signed attributes tie the signature to this kind of content: without them, a signature over other data of the
/// same signer could be taken for one over an image.
Result<void> check_signer(const SignedData& data) {
    if (!strong_digest(data.signer->digest_alg))
        return malformed("the signature's digest is not SHA-256, SHA-384 or SHA-512");
    const ASN1_TYPE* type = PKCS7_get_signed_attribute(data.signer, NID_pkcs9_contentType);
    if (!type || type->type != V_ASN1_OBJECT || dotted(type->value.object) != kSpcIndirectData)
        return malformed("the signed attributes do not say that a PE image is signed");
    return {};
}

} // namespace

Result<SignedData> parse_signed_data(ByteView pkcs7) {
    SignedData data;
    const std::uint8_t* at = pkcs7.data();
    data.pkcs7.reset(d2i_PKCS7(nullptr, &at, static_cast<long>(pkcs7.size())));
    if (!data.pkcs7 || at != pkcs7.data() + pkcs7.size())
        return malformed("the signature is no PKCS #7 structure: " + openssl_reason());
    if (!PKCS7_type_is_signed(data.pkcs7.get()) || !data.pkcs7->d.sign || !data.pkcs7->d.sign->contents)
        return malformed("the signature is no SignedData");
    const PKCS7* contents = data.pkcs7->d.sign->contents;
    if (dotted(contents->type) != kSpcIndirectData || !contents->d.other ||
        contents->d.other->type != V_ASN1_SEQUENCE || !contents->d.other->value.sequence)
        return malformed("what is signed is no SpcIndirectDataContent");
    const ASN1_STRING* content = contents->d.other->value.sequence;
    SUTURE_CHECK(
        read_content({ASN1_STRING_get0_data(content), static_cast<std::size_t>(ASN1_STRING_length(content))}, data));
    STACK_OF(PKCS7_SIGNER_INFO)* signers = PKCS7_get_signer_info(data.pkcs7.get());
    if (sk_PKCS7_SIGNER_INFO_num(signers) != 1)
        return malformed(fmt::format("{} signers instead of one", sk_PKCS7_SIGNER_INFO_num(signers)));
    data.signer = sk_PKCS7_SIGNER_INFO_value(signers, 0);
    SUTURE_CHECK(check_signer(data));
    return data;
}

} // namespace suture::trust
