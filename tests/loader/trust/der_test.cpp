#include "loader/trust/der.hpp"

#include <gtest/gtest.h>

namespace suture::trust {
namespace {

TEST(Der, TakesOneValueAndLeavesTheRest) {
    const Bytes bytes = {0x30, 0x03, 0x06, 0x01, 0x2a, 0xff}; // SEQUENCE { OBJECT IDENTIFIER 1.2 }, a byte
    ByteView rest(bytes);
    const auto sequence = take_der(rest, DerTag::sequence);
    ASSERT_TRUE(sequence);
    EXPECT_EQ(sequence->whole.size(), 5u);
    EXPECT_EQ(sequence->content.copy(), (Bytes{0x06, 0x01, 0x2a}));
    EXPECT_EQ(rest.copy(), Bytes{0xff});
    ByteView content = sequence->content;
    EXPECT_TRUE(take_der(content, DerTag::object_identifier));
    EXPECT_TRUE(content.empty());
}

TEST(Der, RefusesWhatIsNotThere) {
    const std::pair<const char*, Bytes> cases[] = {
        {"nothing", {}},
        {"a tag alone", {0x30}},
        {"a length beyond the end", {0x30, 0x04, 1, 2, 3}},
        {"a length of four bytes beyond the end", {0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0}},
        {"a length wider than any", {0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}},
        {"an indefinite length", {0x30, 0x80, 0x05, 0x00, 0x00, 0x00}},
        {"another tag", {0x04, 0x01, 0x00}},
        {"another class", {0xb0, 0x01, 0x00}},
    };
    for (const auto& [what, bytes] : cases) {
        ByteView rest(bytes);
        EXPECT_FALSE(take_der(rest, DerTag::sequence)) << what;
        EXPECT_EQ(rest.size(), bytes.size()) << what;
    }
}

TEST(Der, ReaderFailsForGoodAtTheFirstThatIsMissing) {
    const Bytes bytes = {0x30, 0x03, 0x02, 0x01, 0x05, 0x04, 0x00}; // SEQUENCE { INTEGER 5 }, an empty OCTET STRING
    DerReader reader(bytes);
    EXPECT_FALSE(reader.take_if(DerTag::integer)) << "may be left out";
    DerReader inner = reader.enter(DerTag::sequence);
    EXPECT_EQ(inner.take(DerTag::integer).content.copy(), Bytes{5});
    EXPECT_TRUE(inner.done());
    EXPECT_FALSE(reader.done());
    EXPECT_TRUE(reader.take(DerTag::integer).whole.empty());
    EXPECT_TRUE(reader.take(DerTag::octet_string).whole.empty()) << "it is there, but comes too late";
    EXPECT_TRUE(reader.failed());
    EXPECT_TRUE(reader.enter(DerTag::sequence).failed());
}

} // namespace
} // namespace suture::trust
