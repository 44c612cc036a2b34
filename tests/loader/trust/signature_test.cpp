#include "engine/pe/image.hpp"
#include "loader/trust/signature.hpp"
#include "tests/engine/package/sample_contents.hpp"
#include "tests/loader/trust/signing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace suture::trust {
namespace {

using test::Identity;
using test::make_authority;
using test::make_identity;
using test::sign;

TrustAnchor anchor_of(const Identity& identity) {
    return *TrustAnchor::parse(identity.der());
}

/// The code of a refusal; already_applied, which no signature is refused for, where it is accepted.
Code outcome(ByteView file, const Identity& anchor) {
    const auto signer = verify_signature(file, {.anchors = {anchor_of(anchor)}});
    return signer ? Code::already_applied : signer.error().code();
}
constexpr Code kAccepted = Code::already_applied;

std::uint64_t table_of(ByteView file) {
    return pe::Image::parse(file, pe::Layout::file)->directory(pe::Directory::certificates).begin.value;
}

/// A publisher, and packages that it signed.
class Signature : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        publisher = make_identity({});
        file = sign(test::large_package(), publisher);
    }
    static void TearDownTestSuite() { publisher = {}; }

    inline static Identity publisher;
    inline static Bytes file;
};

TEST_F(Signature, HoldsWhereTheAnchorIsTheSignersOwnCertificate) {
    const auto signer = verify_signature(file, {.anchors = {anchor_of(publisher)}});
    ASSERT_TRUE(signer) << signer.error().message();
    EXPECT_EQ(signer->subject, "CN = publisher");
    EXPECT_EQ(signer->issuer, "CN = publisher");
    std::array<std::uint8_t, 32> digest{};
    X509_digest(publisher.certificate.get(), EVP_sha256(), digest.data(), nullptr);
    EXPECT_EQ(signer->certificate, digest);
}

TEST_F(Signature, HoldsUnderAnAuthority) {
    const Identity root = make_authority("root");
    const Identity middle = make_authority("middle", &root);
    const Identity signer = make_identity({.issuer = &middle});
    const Bytes with_chain = sign(test::unsigned_package(), signer, middle.pem());
    EXPECT_EQ(outcome(with_chain, root), kAccepted);
    EXPECT_EQ(outcome(with_chain, middle), kAccepted);
    EXPECT_EQ(outcome(with_chain, signer), kAccepted);
    const Bytes without_chain = sign(test::unsigned_package(), signer);
    EXPECT_EQ(outcome(without_chain, middle), kAccepted);
    EXPECT_EQ(outcome(without_chain, root), Code::signer_not_trusted) << "the authority between is missing";
}

TEST_F(Signature, HoldsWithStrongerDigests) {
    for (const char* digest : {"sha384", "sha512"})
        EXPECT_EQ(outcome(sign(test::unsigned_package(), publisher, "", digest), publisher), kAccepted) << digest;
}

TEST_F(Signature, IsMissingFromAnUnsignedPackage) {
    EXPECT_EQ(outcome(test::unsigned_package(), publisher), Code::unsigned_package);
}

TEST_F(Signature, CoversEveryRegionOfTheFile) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    std::vector<std::uint64_t> places = {2, 0x3f, image->checksum_offset().value + 4};
    for (const pe::Section& section : image->sections()) {
        places.push_back(section.raw.value);
        places.push_back(section.raw.value + section.raw_size - 1);
    }
    for (const std::uint64_t at : places) {
        Bytes changed = file;
        changed[at] ^= 1;
        EXPECT_NE(outcome(changed, publisher), kAccepted) << at;
        if (at >= image->size_of_headers()) {
            EXPECT_EQ(outcome(changed, publisher), Code::signature_digest_differs) << at;
        }
    }
}

TEST_F(Signature, LeavesOutTheCheckSumAlone) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    for (std::uint64_t i = 0; i < 4; ++i) {
        Bytes changed = file;
        changed[image->checksum_offset().value + i] ^= 0xff;
        EXPECT_EQ(outcome(changed, publisher), kAccepted);
    }
}

// Some fields of PKCS #7 say nothing that counts, its versions for one: what is accepted nevertheless has the same
// signer, and the package's CheckSum covers these bytes.
TEST_F(Signature, ItselfCannotBeChangedToAnother) {
    const Bytes original = sign(test::unsigned_package(), publisher);
    const auto signer = verify_signature(original, {.anchors = {anchor_of(publisher)}});
    ASSERT_TRUE(signer);
    const TrustPolicy policy{.anchors = {anchor_of(publisher)}};
    constexpr Code kRefusals[] = {Code::signature_malformed,      Code::signature_invalid,  Code::signature_weak,
                                  Code::signature_digest_differs, Code::several_signatures, Code::signature_unsupported,
                                  Code::data_after_signature,     Code::signer_not_trusted};
    std::size_t accepted = 0;
    const std::uint64_t table = table_of(original);
    for (std::uint64_t at = table; at < original.size(); ++at) {
        Bytes changed = original;
        changed[at] ^= 1;
        const auto result = verify_signature(changed, policy);
        if (result) {
            ++accepted;
            EXPECT_EQ(result->certificate, signer->certificate) << at - table;
        } else {
            EXPECT_NE(std::ranges::find(kRefusals, result.error().code()), std::end(kRefusals))
                << at - table << ": " << result.error().message();
        }
    }
    EXPECT_LT(accepted, 40u) << "of " << original.size() - table;
}

TEST_F(Signature, OfAnotherFileIsRefused) {
    const Bytes other = sign(test::large_package(), make_identity({.subject = "stranger"}));
    Bytes small = sign(test::unsigned_package(), publisher);
    const std::uint64_t table = table_of(small);
    // The signature of `small`, put on the larger package.
    Bytes moved(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(table_of(file)));
    moved.insert(moved.end(), small.begin() + static_cast<std::ptrdiff_t>(table), small.end());
    const std::uint64_t entry =
        pe::Image::parse(file, pe::Layout::file)->directory_offset(pe::Directory::certificates).value;
    const auto size = static_cast<std::uint32_t>(small.size() - table);
    std::memcpy(moved.data() + entry + 4, &size, sizeof(size));
    EXPECT_EQ(outcome(moved, publisher), Code::signature_digest_differs);
    EXPECT_EQ(outcome(other, publisher), Code::signer_not_trusted);
}

TEST_F(Signature, RefusesAppendedData) {
    Bytes longer = file;
    longer.insert(longer.end(), 8, 0);
    EXPECT_EQ(outcome(longer, publisher), Code::data_after_signature);
}

TEST_F(Signature, RefusesAnotherAnchorOfTheSameName) {
    EXPECT_EQ(outcome(file, make_identity({})), Code::signer_not_trusted);
}

TEST_F(Signature, RefusesCertificatesThatAreNotValidNow) {
    const Identity expired = make_identity({.from_days = -9, .to_days = -1});
    const Identity later = make_identity({.from_days = 1, .to_days = 9});
    EXPECT_EQ(outcome(sign(test::unsigned_package(), expired), expired), Code::certificate_expired);
    EXPECT_EQ(outcome(sign(test::unsigned_package(), later), later), Code::certificate_not_yet_valid);
}

TEST_F(Signature, RefusesCertificatesThatAreNotForCode) {
    const Identity root = make_authority("root");
    for (const char* usage : {"", "serverAuth", "emailProtection,clientAuth"}) {
        const Identity signer = make_identity({.issuer = &root, .extended_key_usage = usage});
        EXPECT_EQ(outcome(sign(test::unsigned_package(), signer), root), Code::signer_not_for_code) << usage;
    }
    const Identity encrypting = make_identity({.issuer = &root, .key_usage = "keyEncipherment"});
    EXPECT_EQ(outcome(sign(test::unsigned_package(), encrypting), root), Code::signer_not_for_code);
    const Identity web = make_identity({.subject = "web",
                                        .issuer = &root,
                                        .extended_key_usage = "serverAuth",
                                        .key_usage = "keyCertSign",
                                        .authority = true});
    const Identity under_web = make_identity({.issuer = &web});
    EXPECT_EQ(outcome(sign(test::unsigned_package(), under_web, web.pem()), root), Code::signer_not_for_code);
}

TEST_F(Signature, RefusesAnIssuerThatIsNoAuthority) {
    const Identity root = make_authority("root");
    const Identity employee = make_identity({.subject = "employee", .issuer = &root});
    const Identity forged = make_identity({.issuer = &employee});
    EXPECT_EQ(outcome(sign(test::unsigned_package(), forged, employee.pem()), root), Code::signer_not_trusted);
}

TEST_F(Signature, RefusesWeakKeysAndDigests) {
    const Identity weak = make_identity({.bits = 1024});
    EXPECT_EQ(outcome(sign(test::unsigned_package(), weak), weak), Code::signature_weak);
    for (const char* digest : {"md5", "sha1"})
        EXPECT_EQ(outcome(sign(test::unsigned_package(), publisher, "", digest), publisher), Code::signature_weak)
            << digest;
}

TEST_F(Signature, IsNotLookedForInWhatIsNoImage) {
    EXPECT_EQ(outcome(ByteView(file.data(), 64), publisher), Code::pe_truncated);
    EXPECT_FALSE(verify_signature({}, {.anchors = {anchor_of(publisher)}}));
}

} // namespace
} // namespace suture::trust
