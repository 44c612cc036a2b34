#include "loader/trust/openssl/handles.hpp"
#include "loader/trust/system.hpp"

#include <fmt/format.h>

namespace suture::trust::system {

namespace {

const EVP_MD* algorithm_of(Digest digest) {
    switch (digest) {
    case Digest::sha384:
        return EVP_sha384();
    case Digest::sha512:
        return EVP_sha512();
    default:
        return EVP_sha256();
    }
}

} // namespace

Result<Bytes> digest(Digest algorithm, std::span<const ByteView> parts) {
    const std::unique_ptr<EVP_MD_CTX, Freeing<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
    Bytes digest(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    bool done = context && EVP_DigestInit_ex(context.get(), algorithm_of(algorithm), nullptr) == 1;
    for (const ByteView part : parts)
        done = done && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    if (!done || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1)
        return fail(Code::signature_unsupported, "a digest cannot be computed: " + openssl_reason());
    digest.resize(size);
    return digest;
}

Result<void> verify(const Certificate& certificate, Digest algorithm, ByteView digest, ByteView signature) {
    const OwnedCertificate read = read_certificate(certificate.der);
    EVP_PKEY* key = read ? X509_get0_pubkey(read.get()) : nullptr;
    if (!key || (!EVP_PKEY_is_a(key, "RSA") && !EVP_PKEY_is_a(key, "EC")))
        return fail(Code::signature_unsupported, "the signer's key cannot be used: " + openssl_reason());
    const std::unique_ptr<EVP_PKEY_CTX, Freeing<EVP_PKEY_CTX_free>> context(EVP_PKEY_CTX_new(key, nullptr));
    if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), algorithm_of(algorithm)) != 1)
        return fail(Code::signature_unsupported, openssl_reason());
    if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) != 1)
        return fail(Code::signature_invalid,
                    fmt::format("{} did not make it: {}", certificate.subject_text(), openssl_reason()));
    return {};
}

// OpenSSL is asked for primitives and chains, and has no opinion on files.
Result<void> confirm(ByteView, const Certificate&) {
    return {};
}

} // namespace suture::trust::system
