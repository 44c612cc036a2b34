#include "loader/trust/time.hpp"

#include <gtest/gtest.h>

#include <string>

namespace suture::trust {
namespace {

std::optional<Time> parse(DerTag tag, const std::string& text) {
    return parse_time({tag, {}, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}});
}

TEST(CertificateTime, IsReadFromBothForms) {
    const std::pair<DerTag, const char*> cases[] = {{DerTag::utc_time, "260301120005Z"},
                                                    {DerTag::generalized_time, "20260301120005Z"},
                                                    {DerTag::generalized_time, "20260301120005.999Z"}};
    for (const auto& [tag, text] : cases) {
        const auto time = parse(tag, text);
        ASSERT_TRUE(time) << text;
        EXPECT_EQ(text_of(*time), "2026-03-01 12:00:05 UTC");
    }
    EXPECT_EQ(text_of(*parse(DerTag::utc_time, "500101000000Z")), "1950-01-01 00:00:00 UTC");
    EXPECT_EQ(text_of(*parse(DerTag::utc_time, "491231235959Z")), "2049-12-31 23:59:59 UTC");
    EXPECT_EQ(text_of(*parse(DerTag::generalized_time, "99991231235959Z")), "9999-12-31 23:59:59 UTC");
}

TEST(CertificateTime, RefusesWhatIsNone) {
    for (const char* text :
         {"", "Z", "260301120005", "2603011200Z", "260301120005+0100", "261301120005Z", "260230120005Z",
          "260301240005Z", "260301126005Z", "260301120061Z", "26030112000 Z", "260301120005.5Z"})
        EXPECT_FALSE(parse(DerTag::utc_time, text)) << text;
    EXPECT_FALSE(parse(DerTag::generalized_time, "260301120005Z"));
    EXPECT_FALSE(parse(DerTag::generalized_time, "20260301120005.Z1"));
    EXPECT_FALSE(parse(DerTag::octet_string, "260301120005Z"));
}

} // namespace
} // namespace suture::trust
