#include "loader/trust/revocation.hpp"

#include "loader/trust/system.hpp"

#include <fmt/format.h>

namespace suture::trust {

namespace {

Result<void> check_list(const RevocationList& list, const Certificate& issuer, Time now) {
    const auto invalid = [&](std::string detail) {
        return fail(Code::revocation_list_invalid, fmt::format("of {}: {}", issuer.subject_text(), std::move(detail)));
    };
    if (issuer.key_usage && !issuer.key_usage->signs_lists)
        return invalid("its certificate may not sign lists");
    const auto algorithm = parse_signature_algorithm(list.signature_algorithm());
    if (!algorithm)
        return fail(Error(Code::revocation_list_invalid, "of " + issuer.subject_text()).caused_by(algorithm.error()));
    if (algorithm->key != issuer.key)
        return invalid("its issuer has a key of another kind");
    SUTURE_TRY(const Bytes digest, system::digest(algorithm->digest, std::array{list.signed_bytes()}));
    if (auto held = system::verify(issuer, algorithm->digest, digest, list.signature()); !held)
        return fail(
            Error(Code::revocation_list_invalid, "of " + issuer.subject_text()).caused_by(std::move(held).error()));
    if (list.since() > now)
        return fail(Code::revocation_list_outdated,
                    fmt::format("of {}: it is from {}", issuer.subject_text(), text_of(list.since())));
    if (list.until() && *list.until() < now)
        return fail(Code::revocation_list_outdated,
                    fmt::format("of {}: a newer one was due {}", issuer.subject_text(), text_of(*list.until())));
    return {};
}

} // namespace

Result<void> check_revocation(std::span<const Certificate> chain, std::span<const RevocationList> lists, Time now,
                              std::optional<Time> used, bool must_know) {
    if (lists.empty())
        return {};
    const std::size_t last = chain.size() - 1;
    bool known = false;
    for (std::size_t i = 0; i <= last; ++i) {
        const Certificate& certificate = chain[i];
        const bool signer = i == 0;
        // An anchor is trusted as it stands, unless it is the signer's.
        if (i == last && !(signer && certificate.issuer == certificate.subject))
            break;
        const Certificate& issuer = i == last ? certificate : chain[i + 1];
        for (const RevocationList& list : lists) {
            if (!(list.issuer() == certificate.issuer) || !(signer ? list.covers_signers() : list.covers_authorities()))
                continue;
            SUTURE_CHECK(check_list(list, issuer, now));
            known = known || signer;
            const auto entry = list.find(certificate);
            if (entry && !(used && *used < entry->when))
                return fail(Code::certificate_revoked,
                            fmt::format("{}: {}, {}{}", certificate.subject_text(), text_of(entry->when),
                                        text_of_revocation(entry->reason),
                                        used ? "; it was used " + text_of(*used) : std::string()));
        }
    }
    if (must_know && !known)
        return fail(Code::revocation_unknown, "no list is from " + chain.front().issuer_text());
    return {};
}

} // namespace suture::trust
