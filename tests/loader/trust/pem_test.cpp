#include "loader/trust/pem.hpp"

#include <gtest/gtest.h>

#include <string>

namespace suture::trust {
namespace {

std::optional<std::vector<Bytes>> parse(const std::string& text) {
    return parse_pem({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "X");
}

std::string block(const std::string& text, const std::string& label = "X") {
    return "-----BEGIN " + label + "-----\n" + text + "\n-----END " + label + "-----\n";
}

TEST(Pem, HoldsTheBlocksOfItsLabelInOrder) {
    const auto blocks = parse("words\n" + block("AQI=") + block("////", "Y") + block("AQID\r\nBA=="));
    ASSERT_TRUE(blocks);
    EXPECT_EQ(*blocks, (std::vector<Bytes>{{1, 2}, {1, 2, 3, 4}}));
    EXPECT_EQ(parse("nothing")->size(), 0u);
    EXPECT_EQ(parse("-----BEGIN XY-----\n!\n-----END XY-----\n")->size(), 0u) << "another label";
}

TEST(Pem, RefusesABlockThatIsMalformed) {
    for (const std::string& text : {block("A"), block("AQ"), block("A==="), block("AQ=D"),
                                    block("AQ=="
                                          "AQ=="),
                                    block("A!=="), block("===="), std::string("-----BEGIN X-----\nAQI=\n")})
        EXPECT_FALSE(parse(text)) << text;
}

} // namespace
} // namespace suture::trust
