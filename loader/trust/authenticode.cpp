#include "loader/trust/authenticode.hpp"

#include "loader/trust/oid.hpp"

namespace suture::trust {

// SpcIndirectDataContent ::= SEQUENCE { SEQUENCE { type OBJECT IDENTIFIER, value ANY }, DigestInfo }
Result<ImageClaim> parse_image_claim(const SignedData& data) {
    if (!(data.content_type == oid::kIndirectData) || data.content_tag != DerTag::sequence)
        return fail(Code::signature_malformed, "what is signed is no SpcIndirectDataContent");
    DerReader content(data.content);
    const ByteView type = content.enter(DerTag::sequence).take(DerTag::object_identifier).content;
    DerReader info = content.enter(DerTag::sequence);
    const ByteView algorithm = info.take(DerTag::sequence).content;
    ImageClaim claim;
    claim.digest = info.take(DerTag::octet_string).content;
    if (!content.done() || !info.done() || !(type == oid::kPeImageData))
        return fail(Code::signature_malformed, "what is signed is no PE image");
    SUTURE_TRY(claim.algorithm, parse_digest(algorithm));
    return claim;
}

} // namespace suture::trust
