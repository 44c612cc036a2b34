#include "loader/trust/algorithms.hpp"

#include "loader/trust/der.hpp"
#include "loader/trust/oid.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::trust {

namespace {

struct Named {
    ByteView identifier;
    SignatureAlgorithm algorithm;
};
constexpr Named kStrong[] = {
    {oid::kRsaWithSha256, {Digest::sha256, KeyKind::rsa}},
    {oid::kRsaWithSha384, {Digest::sha384, KeyKind::rsa}},
    {oid::kRsaWithSha512, {Digest::sha512, KeyKind::rsa}},
    {oid::kEcdsaWithSha256, {Digest::sha256, KeyKind::elliptic}},
    {oid::kEcdsaWithSha384, {Digest::sha384, KeyKind::elliptic}},
    {oid::kEcdsaWithSha512, {Digest::sha512, KeyKind::elliptic}},
};
constexpr ByteView kWeak[] = {oid::kMd5, oid::kSha1, oid::kRsaWithMd5, oid::kRsaWithSha1, oid::kEcdsaWithSha1};

ByteView identifier_of(ByteView algorithm) {
    return DerReader(algorithm).take(DerTag::object_identifier).content;
}

std::unexpected<Error> refuse(ByteView identifier, const char* what) {
    if (std::ranges::find(kWeak, identifier) != std::end(kWeak))
        return fail(Code::signature_weak, fmt::format("{} is made with MD5 or SHA-1", what));
    return fail(Code::signature_unsupported,
                fmt::format("{} has the algorithm {:02x} (an object identifier)", what, fmt::join(identifier, "")));
}

} // namespace

Result<Digest> parse_digest(ByteView algorithm) {
    const ByteView identifier = identifier_of(algorithm);
    for (const auto& [name, digest] :
         {std::pair(ByteView(oid::kSha256), Digest::sha256), std::pair(ByteView(oid::kSha384), Digest::sha384),
          std::pair(ByteView(oid::kSha512), Digest::sha512)})
        if (identifier == name)
            return digest;
    return refuse(identifier, "a digest");
}

Result<SignatureAlgorithm> parse_signature_algorithm(ByteView algorithm) {
    const ByteView identifier = identifier_of(algorithm);
    for (const Named& one : kStrong)
        if (identifier == one.identifier)
            return one.algorithm;
    return refuse(identifier, "a signature");
}

Result<SignatureAlgorithm> parse_signature_algorithm(ByteView algorithm, Digest digest) {
    const ByteView identifier = identifier_of(algorithm);
    if (identifier == oid::kRsa)
        return SignatureAlgorithm{digest, KeyKind::rsa};
    if (identifier == oid::kEcKey)
        return SignatureAlgorithm{digest, KeyKind::elliptic};
    auto named = parse_signature_algorithm(algorithm);
    if (named && named->digest != digest)
        return fail(Code::signature_malformed, "a signature names two digests");
    return named;
}

} // namespace suture::trust
