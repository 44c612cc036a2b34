#include "patchgen/match/names.hpp"

#include <gtest/gtest.h>

namespace suture::match {
namespace {

TEST(Names, NumbersThatCompilersGiveOutDoNotCount) {
    EXPECT_EQ(family_of("f.constprop.2"), "f.constprop");
    EXPECT_EQ(family_of("buffer.7"), "buffer");
    EXPECT_EQ(family_of("f.part.0.cold"), "f.part.cold");
    EXPECT_EQ(family_of("f"), "f");
    EXPECT_EQ(family_of(".1"), "");
    EXPECT_EQ(family_of(""), "");
}

TEST(Names, ASeparatedPartIsNotItsFunction) {
    const std::string whole[] = {"f"};
    const std::string part[] = {"f.cold"};
    EXPECT_FALSE(names_compatible(whole, part));
}

TEST(Names, OneSharedNameIsEnough) {
    const std::string a[] = {"f", "g"};
    const std::string b[] = {"g", "h"};
    const std::string c[] = {"h", "i"};
    EXPECT_TRUE(names_compatible(a, b));
    EXPECT_FALSE(names_compatible(a, c));
    EXPECT_TRUE(names_compatible(a, {}));
}

} // namespace
} // namespace suture::match
