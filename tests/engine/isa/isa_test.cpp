#include "engine/isa/isa.hpp"

#include <gtest/gtest.h>

#include <set>

namespace suture::isa {
namespace {

TEST(Isa, IsPickedByTheMachineOfTheImage) {
    const Isa* isa = isa_for(Machine::x64);
    ASSERT_NE(isa, nullptr);
    EXPECT_EQ(isa->machine(), Machine::x64);
    EXPECT_EQ(isa, isa_for(Machine::x64));
    const Isa* arm64 = isa_for(Machine::arm64);
    ASSERT_NE(arm64, nullptr);
    EXPECT_EQ(arm64->machine(), Machine::arm64);
}

TEST(Isa, IsNullForAMachineThatIsNotSupported) {
    EXPECT_EQ(isa_for(static_cast<Machine>(0x14c)), nullptr);
}

TEST(SiteKind, EachHasItsOwnNameAndComesBackFromItsValue) {
    std::set<std::string_view> names;
    for (const auto kind : {SiteKind::x64_padded, SiteKind::x64_cave, SiteKind::x64_prologue, SiteKind::x64_tail,
                            SiteKind::arm64_branch}) {
        EXPECT_TRUE(names.insert(name_of(kind)).second);
        EXPECT_EQ(site_kind_from(static_cast<std::uint8_t>(kind)), kind);
    }
    EXPECT_EQ(name_of(SiteKind::x64_padded), "x64-padded");
    EXPECT_EQ(name_of(SiteKind::arm64_branch), "arm64-branch");
}

TEST(SiteKind, RefusesUnknownValues) {
    EXPECT_FALSE(site_kind_from(0));
    EXPECT_FALSE(site_kind_from(6));
    EXPECT_FALSE(site_kind_from(255));
}

} // namespace
} // namespace suture::isa
