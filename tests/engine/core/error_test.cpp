#include "engine/core/error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace suture {
namespace {

TEST(CodesTest, EachHasAStableNameASentenceAndAnAdvice) {
    std::set<std::string_view> texts;
    for (std::size_t index = 0; index < all_codes().size(); ++index) {
        const CodeInfo& info = all_codes()[index];
        EXPECT_EQ(static_cast<std::size_t>(info.code), index) << info.text;
        EXPECT_TRUE(texts.insert(info.text).second) << "twice: " << info.text;
        EXPECT_TRUE(std::ranges::all_of(info.text, [](unsigned char c) {
            return std::islower(c) || std::isdigit(c) || c == '-';
        })) << info.text;
        EXPECT_GT(info.what.size(), 10u) << info.text;
        EXPECT_NE(info.what.back(), '.') << info.text << ": the sentence is continued by the detail";
        EXPECT_GT(info.todo.size(), 10u) << info.text;
        EXPECT_EQ(info.todo.back(), '.') << info.text;
    }
}

TEST(ErrorTest, MessageNamesThePlaceAndEveryCause) {
    const Error error = Error(Code::identity_function_differs, "byte 3 is 90, expected 48")
                            .in_image("a.dll")
                            .at(Rva{0x1234})
                            .in_function("parse")
                            .in_thread(42)
                            .caused_by(Error(Code::site_unproved, "pad is not fill"));
    const std::string message = error.message();
    for (const char* part : {"identity-function-differs: ", "byte 3 is 90, expected 48", "a.dll+0x1234",
                             "function parse", "thread 42", "because: site-unproved: ", "pad is not fill"})
        EXPECT_NE(message.find(part), std::string::npos) << part << " in:\n" << message;
}

} // namespace
} // namespace suture
