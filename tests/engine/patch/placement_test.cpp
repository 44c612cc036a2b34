#include "engine/patch/placement.hpp"

#include <gtest/gtest.h>

namespace suture::patch {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
const target::Module kModule{"a.dll", {Va{0x7ff6'0000'0000}, 0x20000}, {}};
const target::Region kItself{kModule.range};

Result<Va> gap(std::vector<target::Region> regions, std::vector<VaRange> taken = {}, std::uint64_t size = 0x30000) {
    regions.push_back(kItself);
    return find_gap(regions, taken, kModule, size, 2 * kGiB);
}

TEST(FindGapTest, TakesTheSpaceRightBehindTheModule) {
    EXPECT_EQ(gap({}), Va{0x7ff6'0002'0000});
}

TEST(FindGapTest, SkipsGapsThatAreTooSmallAndWhatIsTakenAlready) {
    EXPECT_EQ(gap({{{Va{0x7ff6'0004'0000}, 0x1000}}}), Va{0x7ff6'0005'0000});
    EXPECT_EQ(gap({}, {{Va{0x7ff6'0002'0000}, 0x1000}}), Va{0x7ff6'0003'0000});
}

TEST(FindGapTest, GoesBeforeTheModuleWhereNothingIsFreeBehindIt) {
    EXPECT_EQ(gap({{{Va{0x7ff6'0002'0000}, 4 * kGiB}}}), Va{0x7ff5'fffd'0000});
    EXPECT_EQ(gap({{{Va{0x7ff6'0002'0000}, 4 * kGiB}}, {{Va{0x7ff5'fff0'0000}, 0x1000}}}), Va{0x7ff5'fffd'0000});
}

TEST(FindGapTest, LiesBehindTheModuleOnlyWhereItMustNotLieBeforeIt) {
    const auto behind = [](std::vector<target::Region> regions) {
        regions.push_back(kItself);
        return find_gap(regions, {}, kModule, 0x30000, 2 * kGiB, Side::behind);
    };
    EXPECT_EQ(behind({}), Va{0x7ff6'0002'0000});
    EXPECT_EQ(behind({{{Va{0x7ff5'0000'0000}, 0x1000}}, {{Va{0x7ff6'0004'0000}, 0x1000}}}), Va{0x7ff6'0005'0000});
    const auto none = behind({{{Va{0x7ff6'0002'0000}, 4 * kGiB}}});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code(), Code::no_room_near_module);
}

TEST(FindGapTest, EveryByteOfTheGapReachesEveryByteOfTheModule) {
    // The only free space behind begins just inside the reach, but does not end there.
    const std::uint64_t end = kModule.range.begin.value + 2 * kGiB;
    const std::vector<target::Region> regions = {{{Va{0x7ff6'0002'0000}, end - 0x20000 - 0x7ff6'0002'0000}},
                                                 {{Va{0x7ff5'0000'0000}, 4 * kGiB}}};
    EXPECT_FALSE(gap({regions[0], {{Va{0x7ff5'0000'0000}, 4 * kGiB - 0x100000}}, {{Va{0x7ff5'fff0'0000}, 0x100000}}}));
    EXPECT_EQ(find_gap(std::vector{kItself, regions[0]}, {}, kModule, 0x10000, 2 * kGiB), Va{end - 0x20000});
}

TEST(FindGapTest, RefusesWithTheModulesName) {
    const auto none = gap({{{Va{0x7ff5'0000'0000}, 4 * kGiB}}, {{Va{0x7ff6'0002'0000}, 4 * kGiB}}});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code(), Code::no_room_near_module);
    EXPECT_EQ(none.error().place().image, "a.dll");
    EXPECT_FALSE(gap({}, {}, 3 * kGiB));
    EXPECT_FALSE(gap({}, {}, 0));
}

} // namespace
} // namespace suture::patch
