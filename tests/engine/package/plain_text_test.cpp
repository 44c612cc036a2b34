#include "engine/package/plain_text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace suture::package {

namespace {

using namespace std::string_literals;

TEST(PlainText, TakesUtf8) {
    for (const std::string& text : {
             ""s, "heartbeat.dll"s, " ~"s,
             "\xc2\xa0"s,         // U+00A0, the first behind the control characters
             "\xdf\xbf"s,         // U+07FF, the last of two bytes
             "\xe0\xa0\x80"s,     // U+0800, the first of three
             "\xed\x9f\xbf"s,     // U+D7FF, the last before the surrogates
             "\xee\x80\x80"s,     // U+E000, the first behind them
             "\xef\xbf\xbf"s,     // U+FFFF, the last of three
             "\xf0\x90\x80\x80"s, // U+10000, the first of four
             "\xf4\x8f\xbf\xbf"s, // U+10FFFF, the last of all
         })
        EXPECT_TRUE(is_plain_text(text)) << testing::PrintToString(text);
}

TEST(PlainText, RefusesAnythingElse) {
    for (const std::string& text : {
             "a\0b"s,
             "a\nb"s,
             "a\x1b[2J"s,
             "\x7f"s,
             "\xc2\x80"s,         // U+0080, a control character
             "\xc2\x9f"s,         // U+009F, the last of them
             "\x80"s,             // a continuation byte alone
             "\xc3"s,             // cut off
             "\xc3("s,            // no continuation byte
             "\xc0\xaf"s,         // overlong '/'
             "\xc1\xbf"s,         // overlong U+007F
             "\xe0\x9f\xbf"s,     // overlong U+07FF
             "\xf0\x8f\xbf\xbf"s, // overlong U+FFFF
             "\xed\xa0\x80"s,     // U+D800, a surrogate
             "\xed\xbf\xbf"s,     // U+DFFF, a surrogate
             "\xf4\x90\x80\x80"s, // U+110000
             "\xf5\x80\x80\x80"s,
             "\xff"s,
             "\xe2\x82"s,
             "\xf0\x9f\x92"s,
         })
        EXPECT_FALSE(is_plain_text(text)) << testing::PrintToString(text);
}

} // namespace

} // namespace suture::package
