#include "loader/trust/signature.hpp"

#include "loader/trust/authenticode.hpp"
#include "loader/trust/certificate_table.hpp"
#include "loader/trust/image_digest.hpp"
#include "loader/trust/oid.hpp"
#include "loader/trust/revocation.hpp"
#include "loader/trust/system.hpp"
#include "loader/trust/time_stamp.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::trust {

namespace {

/// By so much the clock of a time-stamping authority may be ahead of the one here.
constexpr auto kClockTolerance = std::chrono::minutes(10);

std::vector<Certificate> certificates_of(std::span<const TrustAnchor> anchors) {
    std::vector<Certificate> certificates;
    for (const TrustAnchor& anchor : anchors)
        certificates.push_back(anchor.certificate());
    return certificates;
}

Result<void> check_digest(const pe::Image& image, const CertificateTable& table, const ImageClaim& claim) {
    SUTURE_TRY(const Bytes digest, image_digest(image, table.begin, claim.algorithm));
    if (!(claim.digest == ByteView(digest)))
        return fail(Code::signature_digest_differs,
                    fmt::format("the file's digest is {:02x}, the signature is for {:02x}", fmt::join(digest, ""),
                                fmt::join(claim.digest, "")));
    return {};
}

/// The anchor's own signature is not relied upon, and may be older than what is asked for here.
Result<void> check_strength(std::span<const Certificate> chain) {
    for (const Certificate& certificate : chain) {
        if (certificate.key == KeyKind::rsa && certificate.rsa_bits < kMinRsaBits)
            return fail(Code::signature_weak,
                        fmt::format("{}: its RSA key has {} bits", certificate.subject_text(), certificate.rsa_bits));
        if (&certificate == &chain.back())
            break;
        if (auto algorithm = parse_signature_algorithm(certificate.signature_algorithm);
            !algorithm && algorithm.error().code() == Code::signature_weak)
            return fail(Code::signature_weak,
                        fmt::format("{}: {}", certificate.subject_text(), algorithm.error().detail()));
    }
    return {};
}

/// The signer's certificate must name the purpose; authorities that are limited to others cannot make one that does.
Result<void> check_purpose(std::span<const Certificate> chain, bool Certificate::Purposes::*purpose, Code refusal,
                           std::string_view name) {
    const auto refuse = [&](const Certificate& certificate, std::string detail) {
        return fail(refusal, fmt::format("{}: {}", certificate.subject_text(), std::move(detail)));
    };
    const Certificate& signer = chain.front();
    if (!signer.purposes || !(*signer.purposes.*purpose))
        return refuse(signer, fmt::format("its extended key usage does not name {}", name));
    if (signer.key_usage && !signer.key_usage->signs_data)
        return refuse(signer, "its key usage does not allow signatures");
    for (const Certificate& issuer : chain.subspan(1))
        if (issuer.purposes && !(*issuer.purposes.*purpose) && !issuer.purposes->any)
            return refuse(issuer, fmt::format("its extended key usage does not name {}", name));
    return {};
}

/// Errors: timestamp_not_trusted.
Result<void> check_stamp(const TimeStamp& stamp, const TrustPolicy& policy) {
    const auto refuse = [](std::string detail) { return fail(Code::timestamp_not_trusted, std::move(detail)); };
    const auto because = [&](Error cause) {
        return fail(
            Error(Code::timestamp_not_trusted, "by " + stamp.signer.subject_text()).caused_by(std::move(cause)));
    };
    if (stamp.when > policy.now + kClockTolerance)
        return refuse("it is of the future: " + text_of(stamp.when));
    const auto anchors = certificates_of(policy.timestamp_anchors.empty() ? policy.anchors : policy.timestamp_anchors);
    const auto chain =
        system::find_chain(stamp.signer, stamp.certificates, anchors, stamp.when, system::ChainUse::time_stamps);
    if (!chain)
        return because(chain.error());
    SUTURE_CHECK(
        check_purpose(*chain, &Certificate::Purposes::time_stamping, Code::timestamp_not_trusted, "time stamping"));
    // RFC 3161, 2.3: such a key is for nothing else; a signer of code cannot tell the time of its own signatures.
    if (const auto& purposes = *stamp.signer.purposes; purposes.code_signing || purposes.any || purposes.others)
        return refuse(stamp.signer.subject_text() + ": its certificate is for more than time stamping");
    if (auto strong = check_strength(*chain); !strong)
        return because(std::move(strong).error());
    if (auto valid = check_revocation(*chain, policy.revocation_lists, policy.now, std::nullopt, false); !valid)
        return because(std::move(valid).error());
    return {};
}

/// The moment at which the signature is proved to have existed.
struct Proof {
    std::optional<Time> when;
    std::optional<Error> why_not; ///< where there are time stamps, and none is trusted
};

Proof prove_time(const TimeStamps& stamps, const Certificate& signer, const TrustPolicy& policy) {
    Proof proof{{}, stamps.unusable};
    if (signer.purposes && signer.purposes->lifetime_signing)
        return proof;
    for (const TimeStamp& stamp : stamps.sound) {
        if (auto trusted = check_stamp(stamp, policy); !trusted)
            proof.why_not = std::move(trusted).error();
        else
            proof.when = std::min(proof.when.value_or(stamp.when), stamp.when);
    }
    return proof;
}

Result<void> check_trust(const SignedData& data, const Certificate& signer, const Proof& proof,
                         const TrustPolicy& policy) {
    const auto anchors = certificates_of(policy.anchors);
    const auto chain = system::find_chain(signer, data.certificates, anchors, proof.when ? *proof.when : policy.now,
                                          system::ChainUse::code);
    if (!chain && !proof.when && proof.why_not && chain.error().code() == Code::certificate_expired)
        return fail(Error(Code::timestamp_not_trusted, "a certificate has expired, and this would keep it good")
                        .caused_by(*proof.why_not));
    if (!chain)
        return fail(chain.error());
    SUTURE_CHECK(check_strength(*chain));
    SUTURE_CHECK(
        check_purpose(*chain, &Certificate::Purposes::code_signing, Code::signer_not_for_code, "code signing"));
    return check_revocation(*chain, policy.revocation_lists, policy.now, proof.when, true);
}

} // namespace

Result<Signer> verify_signature(ByteView file, const TrustPolicy& policy) {
    SUTURE_TRY(const pe::Image image, pe::Image::parse(file, pe::Layout::file));
    SUTURE_TRY(const CertificateTable table, find_certificate_table(image));
    SUTURE_TRY(const SignedData data, parse_signed_data(table.pkcs7));
    if (data.signer.nested)
        return fail(Code::several_signatures, "another signature is nested in the first");
    SUTURE_TRY(const ImageClaim claim, parse_image_claim(data));
    SUTURE_CHECK(check_digest(image, table, claim));
    SUTURE_TRY(const Certificate certificate,
               verify_signer(data.signer, oid::kIndirectData, data.content, data.certificates));
    SUTURE_TRY(const TimeStamps stamps, verify_time_stamps(data));
    const Proof proof = prove_time(stamps, certificate, policy);
    SUTURE_CHECK(check_trust(data, certificate, proof, policy));
    SUTURE_CHECK(system::confirm(file, certificate));
    Signer signer{certificate.subject_text(), certificate.issuer_text(), {}, proof.when};
    SUTURE_TRY(const Bytes digest, system::digest(Digest::sha256, std::array{certificate.der}));
    std::ranges::copy(digest, signer.certificate.begin());
    return signer;
}

} // namespace suture::trust
