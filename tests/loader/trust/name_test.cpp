#include "loader/trust/der.hpp"
#include "loader/trust/name.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace suture::trust {
namespace {

Bytes value(DerTag tag, Bytes content) {
    content.insert(content.begin(), {static_cast<std::uint8_t>(tag), static_cast<std::uint8_t>(content.size())});
    return content;
}

Bytes attribute(std::uint8_t kind, DerTag tag, const std::string& text) {
    Bytes pair = value(DerTag::object_identifier, {0x55, 4, kind});
    const Bytes content = value(tag, Bytes(text.begin(), text.end()));
    pair.insert(pair.end(), content.begin(), content.end());
    return value(DerTag::set, value(DerTag::sequence, pair));
}

std::string shown(DerTag tag, const std::string& text) {
    return text_of_name(value(DerTag::sequence, attribute(3, tag, text)));
}

TEST(DistinguishedName, IsOneLine) {
    Bytes parts = attribute(3, DerTag::utf8_string, "publisher");
    const Bytes more = attribute(10, DerTag::printable_string, "Example");
    parts.insert(parts.end(), more.begin(), more.end());
    EXPECT_EQ(text_of_name(value(DerTag::sequence, parts)), "CN = publisher, O = Example");
    EXPECT_EQ(text_of_name(value(DerTag::sequence, {})), "no name");
}

TEST(DistinguishedName, IsUtf8WhateverItsEncoding) {
    EXPECT_EQ(shown(DerTag::utf8_string, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
              "CN = \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    EXPECT_EQ(shown(DerTag::teletex_string, "\xe4"), "CN = \xc3\xa4");
    EXPECT_EQ(shown(DerTag::bmp_string, std::string("\0A\x20\xac", 4)), "CN = A\xe2\x82\xac");
}

TEST(DistinguishedName, EscapesControlCharactersAndWhatIsNoText) {
    EXPECT_EQ(shown(DerTag::utf8_string, "a\n\x1b[0m"), "CN = a\\0A\\1B[0m");
    EXPECT_EQ(shown(DerTag::printable_string, "\xff"), "CN = \\FF");
    for (const char* text : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3", "\x80"}) {
        const std::string name = shown(DerTag::utf8_string, text);
        EXPECT_TRUE(std::ranges::all_of(name, [](unsigned char c) { return c < 0x80; })) << name;
    }
}

TEST(DistinguishedName, IsNotShownWhereItIsMalformed) {
    const Bytes whole = value(DerTag::sequence, attribute(3, DerTag::utf8_string, "publisher"));
    EXPECT_EQ(text_of_name(ByteView(whole.data(), whole.size() - 1)), "a name that cannot be shown");
    EXPECT_EQ(text_of_name({}), "a name that cannot be shown");
}

} // namespace
} // namespace suture::trust
