#include "loader/trust/system.hpp"
#include "loader/trust/windows/handles.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::trust::system {

namespace {

/// What may be wrong with a chain that leads to a pinned anchor: the system trusts others, or does not get that far.
/// Times and revocation are looked at elsewhere.
constexpr DWORD kAllowed = CERT_TRUST_IS_UNTRUSTED_ROOT | CERT_TRUST_IS_PARTIAL_CHAIN | CERT_TRUST_IS_NOT_TIME_VALID |
                           CERT_TRUST_IS_NOT_TIME_NESTED | CERT_TRUST_REVOCATION_STATUS_UNKNOWN |
                           CERT_TRUST_IS_OFFLINE_REVOCATION;
/// What a certificate that leads to no other one may be for as an authority. Whether it may sign code is asked of each
/// signer elsewhere, the same on every system.
constexpr DWORD kOfAuthorities = CERT_TRUST_IS_NOT_VALID_FOR_USAGE | CERT_TRUST_INVALID_BASIC_CONSTRAINTS;
/// Not in every version of the headers.
constexpr DWORD kWeakSignature = 0x00100000;

FILETIME file_time(Time time) {
    constexpr long long kUnixEpoch = 11644473600; // seconds after 1601, where FILETIME begins
    const auto ticks = static_cast<unsigned long long>((time.time_since_epoch().count() + kUnixEpoch) * 10'000'000);
    return {static_cast<DWORD>(ticks), static_cast<DWORD>(ticks >> 32)};
}

OwnedContext context_of(const Certificate& certificate) {
    return OwnedContext(CertCreateCertificateContext(X509_ASN_ENCODING, certificate.der.data(),
                                                     static_cast<DWORD>(certificate.der.size())));
}

std::string names_of(std::span<const Certificate> certificates) {
    std::string names;
    for (const Certificate& one : certificates)
        names += (names.empty() ? "" : "; ") + one.subject_text();
    return names;
}

/// The chain that was asked about, as far as the system got with it.
struct Question {
    const Certificate& leaf;
    std::span<const Certificate> others;
    std::span<const Certificate> anchors;
    Time when;
    ChainUse use;

    const Certificate* find(ByteView der) const {
        if (leaf.der == der)
            return &leaf;
        for (const auto& group : {others, anchors})
            for (const Certificate& one : group)
                if (one.der == der)
                    return &one;
        return nullptr;
    }
};

/// The certificates of the chain up to the anchor. Error: signer_not_trusted, where it does not lead there.
Result<std::vector<Certificate>> up_to_anchor(const Question& question, const CERT_CHAIN_CONTEXT& context) {
    std::vector<Certificate> chain;
    const CERT_SIMPLE_CHAIN* simple = context.cChain != 0 ? context.rgpChain[0] : nullptr;
    for (DWORD i = 0; simple && i < simple->cElement && i <= kMaxIntermediates + 1; ++i) {
        const CERT_CONTEXT& found = *simple->rgpElement[i]->pCertContext;
        const Certificate* one = question.find({found.pbCertEncoded, found.cbCertEncoded});
        if (!one)
            break;
        chain.push_back(*one);
        if (std::ranges::find(question.anchors, *one) != question.anchors.end())
            return chain;
    }
    return fail(Code::signer_not_trusted, fmt::format("{}: its chain does not lead there (trust anchor: {})",
                                                      question.leaf.subject_text(), names_of(question.anchors)));
}

Result<void> check_elements(const Question& question, const CERT_CHAIN_CONTEXT& context,
                            std::span<const Certificate> chain) {
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const std::string name = chain[i].subject_text();
        if (question.when < chain[i].not_before)
            return fail(Code::certificate_not_yet_valid,
                        fmt::format("{}: it begins {}", name, text_of(chain[i].not_before)));
        if (question.when > chain[i].not_after)
            return fail(Code::certificate_expired, fmt::format("{}: it ended {}", name, text_of(chain[i].not_after)));
        const DWORD allowed = chain.size() == 1 ? kAllowed | kOfAuthorities : kAllowed;
        const DWORD error = context.rgpChain[0]->rgpElement[i]->TrustStatus.dwErrorStatus & ~allowed;
        if (error != 0)
            return fail(
                (error & kWeakSignature) != 0 ? Code::signature_weak : Code::signer_not_trusted,
                fmt::format("{}: trust status 0x{:x} (trust anchor: {})", name, error, names_of(question.anchors)));
    }
    return {};
}

/// As Windows judges a chain; on a root that it does not know, and on times, its word is not asked for.
Result<void> check_policy(const Question& question, const CERT_CHAIN_CONTEXT& context, bool leads_on) {
    CERT_CHAIN_POLICY_PARA rules{};
    rules.cbSize = sizeof(rules);
    rules.dwFlags = CERT_CHAIN_POLICY_ALLOW_UNKNOWN_CA_FLAG | CERT_CHAIN_POLICY_IGNORE_ALL_REV_UNKNOWN_FLAGS |
                    CERT_CHAIN_POLICY_IGNORE_ALL_NOT_TIME_VALID_FLAGS;
    CERT_CHAIN_POLICY_STATUS status{};
    status.cbSize = sizeof(status);
    const LPCSTR policy = question.use == ChainUse::code ? CERT_CHAIN_POLICY_AUTHENTICODE : CERT_CHAIN_POLICY_BASE;
    const std::string name = question.leaf.subject_text();
    if (!CertVerifyCertificateChainPolicy(policy, &context, &rules, &status))
        return fail(Code::signer_not_trusted, name + ": the system does not judge its chain");
    switch (static_cast<HRESULT>(status.dwError)) {
    case 0:
    case CERT_E_UNTRUSTEDROOT:
    case CERT_E_CHAINING:
    case CERT_E_EXPIRED:
        return {};
    case CERT_E_WRONG_USAGE:
        if (!leads_on) // as in kOfAuthorities
            return {};
        [[fallthrough]];
    default:
        return fail(Code::signer_not_trusted, fmt::format("{}: the system refuses its chain: {}", name,
                                                          text_of_status(static_cast<long>(status.dwError))));
    }
}

Result<std::vector<Certificate>> judge(const Question& question, const CERT_CHAIN_CONTEXT& context) {
    SUTURE_TRY(std::vector<Certificate> chain, up_to_anchor(question, context));
    SUTURE_CHECK(check_elements(question, context, chain));
    SUTURE_CHECK(check_policy(question, context, chain.size() > 1));
    return chain;
}

} // namespace

Result<std::vector<Certificate>> find_chain(const Certificate& leaf, std::span<const Certificate> others,
                                            std::span<const Certificate> anchors, Time when, ChainUse use) {
    const Question question{leaf, others, anchors, when, use};
    const OwnedStore store(CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, CERT_STORE_CREATE_NEW_FLAG, nullptr));
    const OwnedContext first = context_of(leaf);
    bool done = store && first;
    for (const auto& group : {others, anchors})
        for (const Certificate& one : group) {
            const OwnedContext context = context_of(one);
            done =
                done && context &&
                CertAddCertificateContextToStore(store.get(), context.get(), CERT_STORE_ADD_REPLACE_EXISTING, nullptr);
        }
    FILETIME time = file_time(when);
    CERT_CHAIN_PARA parameters{};
    parameters.cbSize = sizeof(parameters);
    const CERT_CHAIN_CONTEXT* built = nullptr;
    if (!done || !CertGetCertificateChain(
                     nullptr, first.get(), &time, store.get(), &parameters,
                     CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL | CERT_CHAIN_RETURN_LOWER_QUALITY_CONTEXTS, nullptr, &built))
        return fail(Code::signer_not_trusted, fmt::format("{}: no chain can be built: {}", leaf.subject_text(),
                                                          text_of_status(static_cast<long>(GetLastError()))));
    const OwnedChain owned(built);
    auto best = judge(question, *built);
    // Where authorities have signed each other, the system's first choice need not be the one that leads to the anchor.
    for (DWORD i = 0; !best && i < built->cLowerQualityChainContext; ++i)
        if (auto other = judge(question, *built->rgpLowerQualityChainContext[i]);
            other || best.error().code() == Code::signer_not_trusted)
            best = std::move(other);
    return best;
}

} // namespace suture::trust::system
