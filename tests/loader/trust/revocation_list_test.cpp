#include "loader/trust/revocation_list.hpp"
#include "tests/loader/trust/signing.hpp"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <memory>

namespace suture::trust {
namespace {

using test::Identity;
using test::make_authority;
using test::make_identity;

struct Options {
    const char* extension = nullptr;     ///< of the list, "NAME=VALUE" as openssl.cnf has it
    long reason = -1;                    ///< less: none
    const char* invalid_since = nullptr; ///< GeneralizedTime
};

/// A list that revokes one certificate since 2026-03-01.
Bytes list_of(const Identity& issuer, const Identity& revoked, const Options& options = {}) {
    const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list(X509_CRL_new(), X509_CRL_free);
    X509_CRL_set_version(list.get(), 1);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer.certificate.get()));
    const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> time(ASN1_TIME_new(), ASN1_TIME_free);
    ASN1_TIME_set_string(time.get(), "20260101000000Z");
    X509_CRL_set1_lastUpdate(list.get(), time.get());
    ASN1_TIME_set_string(time.get(), "20260401000000Z");
    X509_CRL_set1_nextUpdate(list.get(), time.get());
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked.certificate.get()));
    ASN1_TIME_set_string(time.get(), "20260301000000Z");
    X509_REVOKED_set_revocationDate(entry, time.get());
    if (options.reason >= 0) {
        const std::unique_ptr<ASN1_ENUMERATED, decltype(&ASN1_ENUMERATED_free)> reason(ASN1_ENUMERATED_new(),
                                                                                       ASN1_ENUMERATED_free);
        ASN1_ENUMERATED_set(reason.get(), options.reason);
        X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason.get(), 0, 0);
    }
    if (options.invalid_since) {
        const std::unique_ptr<ASN1_GENERALIZEDTIME, decltype(&ASN1_GENERALIZEDTIME_free)> since(
            ASN1_GENERALIZEDTIME_new(), ASN1_GENERALIZEDTIME_free);
        ASN1_GENERALIZEDTIME_set_string(since.get(), options.invalid_since);
        X509_REVOKED_add1_ext_i2d(entry, NID_invalidity_date, since.get(), 0, 0);
    }
    X509_CRL_add0_revoked(list.get(), entry);
    if (options.extension) {
        const std::string text = options.extension;
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, nullptr, nullptr, nullptr, list.get(), 0);
        X509_EXTENSION* extension = X509V3_EXT_conf(nullptr, &context, text.substr(0, text.find('=')).c_str(),
                                                    text.substr(text.find('=') + 1).c_str());
        if (!extension)
            throw std::runtime_error("extension");
        X509_CRL_add_ext(list.get(), extension, -1);
        X509_EXTENSION_free(extension);
    }
    X509_CRL_sign(list.get(), issuer.key.get(), EVP_sha256());
    Bytes der(static_cast<std::size_t>(i2d_X509_CRL(list.get(), nullptr)));
    std::uint8_t* at = der.data();
    i2d_X509_CRL(list.get(), &at);
    return der;
}

class RevocationListTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        authority = make_authority("root");
        revoked = make_identity({.issuer = &authority});
        other = make_identity({.issuer = &authority});
    }
    static void TearDownTestSuite() { authority = revoked = other = {}; }

    static Code refusal(ByteView file) {
        const auto lists = RevocationList::parse(file);
        return lists ? Code::already_applied : lists.error().code();
    }

    inline static Identity authority, revoked, other;
};

TEST_F(RevocationListTest, NamesWhatIsRevokedAndSinceWhen) {
    const auto lists = RevocationList::parse(list_of(authority, revoked, {.reason = 1}));
    ASSERT_TRUE(lists) << lists.error().message();
    const RevocationList& list = lists->front();
    EXPECT_EQ(text_of(list.since()), "2026-01-01 00:00:00 UTC");
    EXPECT_EQ(text_of(*list.until()), "2026-04-01 00:00:00 UTC");
    const Bytes der = revoked.der();
    const auto entry = list.find(*parse_certificate(der));
    ASSERT_TRUE(entry);
    EXPECT_EQ(text_of(entry->when), "2026-03-01 00:00:00 UTC");
    EXPECT_EQ(text_of_revocation(entry->reason), "key compromise");
    const Bytes good = other.der();
    EXPECT_FALSE(list.find(*parse_certificate(good)));
}

TEST_F(RevocationListTest, CountsTheInvalidityDateWhereItIsEarlier) {
    const Bytes der = revoked.der();
    for (const auto& [since, expected] : {std::pair("20250101000000Z", "2025-01-01 00:00:00 UTC"),
                                          std::pair("20270101000000Z", "2026-03-01 00:00:00 UTC")}) {
        const auto lists = RevocationList::parse(list_of(authority, revoked, {.invalid_since = since}));
        EXPECT_EQ(text_of(lists->front().find(*parse_certificate(der))->when), expected);
    }
}

TEST_F(RevocationListTest, SaysWhomItIsAbout) {
    const auto signers =
        RevocationList::parse(list_of(authority, revoked, {"issuingDistributionPoint=critical,onlyuser:TRUE"}));
    ASSERT_TRUE(signers) << signers.error().message();
    EXPECT_TRUE(signers->front().covers_signers());
    EXPECT_FALSE(signers->front().covers_authorities());
    const auto authorities =
        RevocationList::parse(list_of(authority, revoked, {"issuingDistributionPoint=critical,onlyCA:TRUE"}));
    EXPECT_FALSE(authorities->front().covers_signers());
    EXPECT_TRUE(authorities->front().covers_authorities());
}

TEST_F(RevocationListTest, RefusesListsOfPartOfWhatIsRevoked) {
    for (const char* extension :
         {"issuingDistributionPoint=critical,onlysomereasons:keyCompromise",
          "issuingDistributionPoint=critical,indirectCRL:TRUE", "issuingDistributionPoint=critical,onlyAA:TRUE",
          "2.5.29.27=critical,ASN1:INT:5", "1.2.3.4=critical,ASN1:NULL"})
        EXPECT_EQ(refusal(list_of(authority, revoked, {extension})), Code::revocation_list_unreadable) << extension;
    EXPECT_EQ(refusal(list_of(authority, revoked, {"1.2.3.4=ASN1:NULL"})), Code::already_applied) << "not critical";
}

TEST_F(RevocationListTest, RefusesWhatIsCutOrFollowed) {
    const Bytes whole = list_of(authority, revoked, {.reason = 4, .invalid_since = "20250101000000Z"});
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(refusal(ByteView(whole.data(), size)), Code::revocation_list_unreadable) << size;
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_EQ(refusal(longer), Code::revocation_list_unreadable);
}

} // namespace
} // namespace suture::trust
