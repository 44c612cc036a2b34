#include "loader/trust/trust_anchor.hpp"
#include "tests/loader/trust/signing.hpp"

#include <gtest/gtest.h>

namespace suture::trust {
namespace {

Result<TrustAnchor> parse(const std::string& text) {
    return TrustAnchor::parse({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(TrustAnchor, IsReadFromPemAndDer) {
    const test::Identity identity = test::make_identity({.subject = "Verlag \xc3\xa4"});
    const auto pem = parse(identity.pem());
    const auto der = TrustAnchor::parse(identity.der());
    ASSERT_TRUE(pem && der);
    EXPECT_EQ(pem->subject(), "CN = Verlag \xc3\xa4");
    EXPECT_EQ(der->subject(), pem->subject());
    EXPECT_TRUE(parse("some words\n" + identity.key_pem() + identity.pem())) << "other blocks are passed over";
}

TEST(TrustAnchor, IsExactlyOneCertificate) {
    const test::Identity identity = test::make_identity({});
    Bytes longer = identity.der();
    longer.push_back(0);
    Bytes shorter = identity.der();
    shorter.pop_back();
    for (const auto& result : {parse(""), parse("no certificate"), parse(identity.key_pem()),
                               parse(identity.pem() + identity.pem()), TrustAnchor::parse(longer),
                               TrustAnchor::parse(shorter), TrustAnchor::parse(Bytes(kMaxAnchorFile + 1, '\n'))}) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), Code::trust_anchor_unreadable);
    }
}

} // namespace
} // namespace suture::trust
