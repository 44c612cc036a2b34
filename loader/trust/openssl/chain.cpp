#include "loader/trust/openssl/handles.hpp"
#include "loader/trust/system.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

namespace suture::trust::system {

namespace {

/// OpenSSL's level for 112 bits: RSA of 2048 bits, no SHA-1.
constexpr int kSecurityLevel = 2;

Code code_of(int error) {
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return Code::certificate_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return Code::certificate_not_yet_valid;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return Code::signature_weak;
    default:
        return Code::signer_not_trusted;
    }
}

/// Certificates as OpenSSL has them, beside those that they were read from.
class Pool {
  public:
    X509* add(const Certificate& certificate) {
        OwnedCertificate read = read_certificate(certificate.der);
        X509* const handle = read.get();
        if (handle)
            entries_.push_back({std::move(read), certificate});
        return handle;
    }
    const Certificate* find(const X509* handle) const {
        for (const Entry& entry : entries_)
            if (X509_cmp(entry.read.get(), handle) == 0)
                return &entry.certificate;
        return nullptr;
    }

  private:
    struct Entry {
        OwnedCertificate read;
        Certificate certificate;
    };
    std::vector<Entry> entries_;
};

void free_stack(STACK_OF(X509) * stack) {
    sk_X509_free(stack);
}

std::string anchor_names(std::span<const Certificate> anchors) {
    std::string names;
    for (const Certificate& anchor : anchors)
        names += (names.empty() ? "" : "; ") + anchor.subject_text();
    return names;
}

} // namespace

Result<std::vector<Certificate>> find_chain(const Certificate& leaf, std::span<const Certificate> others,
                                            std::span<const Certificate> anchors, Time when, ChainUse) {
    Pool pool;
    const std::unique_ptr<X509_STORE, Freeing<X509_STORE_free>> store(X509_STORE_new());
    const std::unique_ptr<X509_STORE_CTX, Freeing<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
    const std::unique_ptr<STACK_OF(X509), Freeing<free_stack>> untrusted(sk_X509_new_null());
    X509* const first = pool.add(leaf);
    bool done = store && context && untrusted && first;
    for (const Certificate& one : others)
        if (X509* const handle = done ? pool.add(one) : nullptr)
            done = sk_X509_push(untrusted.get(), handle) > 0;
    for (const Certificate& anchor : anchors) {
        X509* const handle = done ? pool.add(anchor) : nullptr;
        done = handle && X509_STORE_add_cert(store.get(), handle) == 1;
    }
    if (!done || X509_STORE_CTX_init(context.get(), store.get(), first, untrusted.get()) != 1)
        return fail(Code::signer_not_trusted, "a certificate cannot be used: " + openssl_reason());
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
    X509_VERIFY_PARAM_set_depth(rules, kMaxIntermediates);
    X509_VERIFY_PARAM_set_time(rules, static_cast<std::time_t>(when.time_since_epoch().count()));
    if (X509_verify_cert(context.get()) != 1) {
        ERR_clear_error();
        const int error = X509_STORE_CTX_get_error(context.get());
        const X509* current = X509_STORE_CTX_get_current_cert(context.get());
        const Certificate* where = current ? pool.find(current) : nullptr;
        return fail(code_of(error), fmt::format("{}: {} (trust anchor: {})", (where ? *where : leaf).subject_text(),
                                                X509_verify_cert_error_string(error), anchor_names(anchors)));
    }
    std::vector<Certificate> chain;
    STACK_OF(X509)* found = X509_STORE_CTX_get0_chain(context.get());
    for (int i = 0; i < sk_X509_num(found); ++i) {
        const Certificate* one = pool.find(sk_X509_value(found, i));
        if (!one)
            return fail(Code::signer_not_trusted, "the chain has a certificate of unknown origin");
        chain.push_back(*one);
    }
    return chain;
}

} // namespace suture::trust::system
