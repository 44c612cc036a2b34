#include "patchgen/cli/plain_text.hpp"

#include <gtest/gtest.h>

namespace suture::cli {
namespace {

TEST(PlainText, KeepsWhatCanBeShown) {
    for (const char* text : {"", "price", "a<b>&\"'", "größe", "関数", "\xf0\x9f\x94\xa7"})
        EXPECT_EQ(plain(text), text);
}

TEST(PlainText, EscapesWhatDrivesATerminalOrHides) {
    EXPECT_EQ(plain("a\x1b[2Jb"), "a\\x1b[2Jb");
    EXPECT_EQ(plain("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
    EXPECT_EQ(plain("\xc2\x9b"), "\\u009b");         // CSI in one character
    EXPECT_EQ(plain("x\xe2\x80\xaey"), "x\\u202ey"); // right-to-left override
    EXPECT_EQ(plain("x\xe2\x80\x8by"), "x\\u200by"); // zero-width space
    EXPECT_EQ(plain("\xef\xbb\xbf"), "\\ufeff");
    EXPECT_EQ(plain("\xf3\xa0\x81\x81"), "\\ue0041"); // a tag
}

TEST(PlainText, EscapesWhatIsNoUtf8) {
    EXPECT_EQ(plain("\x80"), "\\x80");
    EXPECT_EQ(plain("\xc0\xaf"), "\\xc0\\xaf");                 // overlong
    EXPECT_EQ(plain("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");        // overlong
    EXPECT_EQ(plain("\xed\xa0\x80"), "\\xed\\xa0\\x80");        // a surrogate
    EXPECT_EQ(plain("\xf4\x90\x80\x80").substr(0, 4), "\\xf4"); // beyond the last
    EXPECT_EQ(plain("ab\xe2\x80"), "ab\\xe2\\x80");             // cut off
}

TEST(PlainText, CutsLongNamesBetweenCharacters) {
    EXPECT_EQ(plain_cut("price", 5), "price");
    EXPECT_EQ(plain_cut("prices", 5), "price...");
    EXPECT_EQ(plain_cut("a\xe2\x82\xac\xe2\x82\xac", 5), "a\xe2\x82\xac...");
    EXPECT_EQ(plain_cut("\x1b[2J", 1), "\\x1b...");
    EXPECT_EQ(plain_cut(std::string(3, '\x80'), 2), "...");
    EXPECT_EQ(plain_cut(std::string(1u << 20, 'x')).size(), 163u);
}

} // namespace
} // namespace suture::cli
