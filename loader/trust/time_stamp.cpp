#include "loader/trust/time_stamp.hpp"

#include "loader/trust/oid.hpp"
#include "loader/trust/system.hpp"

namespace suture::trust {

namespace {

std::unexpected<Error> invalid(std::string detail) {
    return fail(Code::timestamp_invalid, std::move(detail));
}

/// TSTInfo ::= SEQUENCE { version INTEGER, policy OBJECT IDENTIFIER, SEQUENCE { SEQUENCE {digest algorithm},
/// OCTET STRING }, serialNumber INTEGER, genTime GeneralizedTime, … }
Result<Time> read_info(ByteView content, ByteView signature) {
    DerReader reader(content);
    DerReader info = reader.enter(DerTag::sequence);
    info.take(DerTag::integer);
    info.take(DerTag::object_identifier);
    DerReader imprint = info.enter(DerTag::sequence);
    const ByteView algorithm = imprint.take(DerTag::sequence).content;
    const ByteView digest = imprint.take(DerTag::octet_string).content;
    info.take(DerTag::integer);
    const auto when = parse_time(info.take(DerTag::generalized_time));
    if (!reader.done() || !imprint.done() || info.failed() || !when)
        return invalid("what is time-stamped is malformed");
    SUTURE_TRY(const Digest kind, parse_digest(algorithm));
    SUTURE_TRY(const Bytes expected, system::digest(kind, std::array{signature}));
    if (!(digest == ByteView(expected)))
        return invalid("the time stamp is for another signature");
    return *when;
}

Result<TimeStamp> verify_token(ByteView token, ByteView signature) {
    SUTURE_TRY(SignedData data, parse_signed_data(token));
    if (!(data.content_type == oid::kTimeStampInfo) || data.content_tag != DerTag::octet_string)
        return invalid("the token is no time stamp");
    SUTURE_TRY(const Time when, read_info(data.content, signature));
    SUTURE_TRY(const Certificate signer,
               verify_signer(data.signer, oid::kTimeStampInfo, data.content, data.certificates));
    return TimeStamp{when, signer, std::move(data.certificates)};
}

Result<TimeStamp> verify_countersignature(ByteView der, const SignedData& data) {
    SUTURE_TRY(const SignerInfo info, parse_signer_info(der));
    if (!info.signing_time)
        return invalid("the counter-signature does not say when it was made");
    SUTURE_TRY(const Certificate signer, verify_signer(info, oid::kData, data.signer.signature, data.certificates));
    return TimeStamp{*info.signing_time, signer, data.certificates};
}

} // namespace

Result<TimeStamps> verify_time_stamps(const SignedData& data) {
    TimeStamps stamps;
    const auto add = [&](Result<TimeStamp> stamp) -> Result<void> {
        if (stamp) {
            stamps.sound.push_back(std::move(*stamp));
            return {};
        }
        Error why = std::move(stamp).error();
        if (why.code() == Code::signature_weak || why.code() == Code::signature_unsupported) {
            stamps.unusable = Error(Code::timestamp_not_trusted, "its own signature does not count").caused_by(why);
            return {};
        }
        if (why.code() != Code::timestamp_invalid)
            why = Error(Code::timestamp_invalid, "its own signature is not sound").caused_by(why);
        return fail(std::move(why));
    };
    for (const ByteView token : data.signer.tokens)
        SUTURE_CHECK(add(verify_token(token, data.signer.signature)));
    for (const ByteView one : data.signer.countersignatures)
        SUTURE_CHECK(add(verify_countersignature(one, data)));
    return stamps;
}

} // namespace suture::trust
