#include "loader/trust/signature.hpp"

#include "loader/trust/certificate_table.hpp"
#include "loader/trust/image_digest.hpp"
#include "loader/trust/signed_data.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace suture::trust {

namespace {

/// OpenSSL's level for 112 bits: RSA of 2048 bits, no SHA-1.
constexpr int kSecurityLevel = 2;

Result<void> check_digest(const pe::Image& image, const CertificateTable& table, const SignedData& data) {
    SUTURE_TRY(const Bytes digest, image_digest(image, table.begin, data.algorithm));
    if (digest != data.image_digest)
        return fail(Code::signature_digest_differs,
                    fmt::format("the file's digest is {:02x}, the signature is for {:02x}", fmt::join(digest, ""),
                                fmt::join(data.image_digest, "")));
    return {};
}

/// The certificate whose key made the signature; it belongs to `data`.
Result<X509*> check_signature(const SignedData& data) {
    // Behind a filter: of a memory reader PKCS7_verify makes a copy, and some of its failures leak it.
    const OwnedBio content(BIO_new(BIO_f_null()));
    OwnedBio bytes = bio_of(data.content);
    if (!content || !bytes)
        return fail(Code::signature_invalid, openssl_reason());
    BIO_push(content.get(), bytes.release());
    if (PKCS7_verify(data.pkcs7.get(), nullptr, nullptr, content.get(), nullptr, PKCS7_NOVERIFY) != 1)
        return fail(Code::signature_invalid, openssl_reason());
    STACK_OF(X509)* certificates = PKCS7_get0_signers(data.pkcs7.get(), nullptr, 0);
    X509* signer = sk_X509_num(certificates) == 1 ? sk_X509_value(certificates, 0) : nullptr;
    sk_X509_free(certificates);
    if (!signer)
        return fail(Code::signature_invalid, "the signer's certificate is not in the signature");
    return signer;
}

Code code_of_chain_error(int error) {
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return Code::certificate_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return Code::certificate_not_yet_valid;
    default:
        return Code::signer_not_trusted;
    }
}

bool may_sign_code(X509* certificate) {
    return (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0 &&
           (X509_get_extended_key_usage(certificate) & XKU_CODE_SIGN) != 0;
}

/// An authority that is limited to other uses cannot make a signer of code.
bool may_issue_for_code(X509* certificate) {
    return (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) == 0 ||
           (X509_get_extended_key_usage(certificate) & (XKU_CODE_SIGN | XKU_ANYEKU)) != 0;
}

Result<void> check_use(X509_STORE_CTX* context, X509* signer) {
    const auto not_for_code = [](X509* certificate, std::string_view why) {
        return fail(Code::signer_not_for_code, fmt::format("{}: {}", text_of(X509_get_subject_name(certificate)), why));
    };
    if (!may_sign_code(signer))
        return not_for_code(signer, "its extended key usage does not name code signing");
    // All bits are set where the certificate does not limit its use.
    if ((X509_get_key_usage(signer) & KU_DIGITAL_SIGNATURE) == 0)
        return not_for_code(signer, "its key usage does not allow signatures");
    STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context);
    for (int i = 1; i < sk_X509_num(chain); ++i)
        if (X509* issuer = sk_X509_value(chain, i); !may_issue_for_code(issuer))
            return not_for_code(issuer, "its extended key usage does not name code signing");
    return {};
}

Result<void> check_trust(const SignedData& data, X509* signer, const TrustAnchor& anchor) {
    const std::unique_ptr<X509_STORE, Freeing<X509_STORE_free>> store(X509_STORE_new());
    const std::unique_ptr<X509_STORE_CTX, Freeing<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
    if (!store || !context || X509_STORE_add_cert(store.get(), anchor.certificate()) != 1 ||
        X509_STORE_CTX_init(context.get(), store.get(), signer, data.pkcs7->d.sign->cert) != 1)
        return fail(Code::signer_not_trusted, openssl_reason());
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    // The anchor is trusted as it stands, whoever issued it.
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
    X509_VERIFY_PARAM_set_depth(rules, kMaxIntermediates);
    if (X509_verify_cert(context.get()) != 1) {
        ERR_clear_error();
        const int error = X509_STORE_CTX_get_error(context.get());
        X509* where = X509_STORE_CTX_get_current_cert(context.get());
        return fail(code_of_chain_error(error),
                    fmt::format("{}: {} (trust anchor: {})", text_of(X509_get_subject_name(where ? where : signer)),
                                X509_verify_cert_error_string(error), anchor.subject()));
    }
    return check_use(context.get(), signer);
}

} // namespace

Result<Signer> verify_signature(ByteView file, const TrustAnchor& anchor) {
    SUTURE_TRY(const pe::Image image, pe::Image::parse(file, pe::Layout::file));
    SUTURE_TRY(const CertificateTable table, find_certificate_table(image));
    SUTURE_TRY(const SignedData data, parse_signed_data(table.pkcs7));
    SUTURE_CHECK(check_digest(image, table, data));
    SUTURE_TRY(X509* const certificate, check_signature(data));
    SUTURE_CHECK(check_trust(data, certificate, anchor));
    Signer signer{text_of(X509_get_subject_name(certificate)), text_of(X509_get_issuer_name(certificate)), {}};
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), signer.certificate.data(), &size) != 1)
        return fail(Code::signature_invalid, openssl_reason());
    return signer;
}

} // namespace suture::trust
