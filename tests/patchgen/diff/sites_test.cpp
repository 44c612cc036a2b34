#include "patchgen/diff/sites.hpp"
#include "tests/patchgen/diff/made_up_program.hpp"

#include <gtest/gtest.h>

namespace suture::diff {
namespace {

using test::ProgramMaker;
using test::takes;

/// "wide" has `fill` bytes in front of it; "bare", behind it, has none, and something leads to its third byte, so that
/// only two of its bytes can be replaced.
ProgramMaker neighbours(std::uint32_t fill) {
    ProgramMaker maker;
    maker.starts_with_nop = true;
    maker.fill = fill;
    maker.function("wide", 1);
    maker.fill = 0;
    maker.function("bare", 2);
    maker.function("leads into bare", 3, {takes("bare", 2)});
    return maker;
}

/// The sites of the first two functions.
std::pair<Result<isa::Site>, Result<isa::Site>> sites_of(ProgramMaker maker) {
    const auto program = maker.make();
    const auto functions = program->functions();
    const std::array<const program::Function*, 2> both = {&functions[0], &functions[1]};
    auto sites = choose_sites(*program, both, *isa::isa_for(Machine::x64));
    return {sites.at(both[0]->range.begin), sites.at(both[1]->range.begin)};
}

TEST(Sites, APadTakesASixthByteWhereOneIsFree) {
    for (const std::uint32_t fill : {5u, 6u, 16u}) {
        const auto [wide, bare] = sites_of(neighbours(fill));
        ASSERT_TRUE(wide) << fill;
        EXPECT_EQ(wide->kind, isa::SiteKind::x64_padded);
        EXPECT_EQ(wide->pad_size, fill == 5 ? 5u : 6u);
    }
}

TEST(Sites, APadGivesTheSixthByteBackToAFunctionThatHasNoSiteWithoutIt) {
    const auto [wide, bare] = sites_of(neighbours(10));
    ASSERT_TRUE(wide);
    ASSERT_TRUE(bare) << bare.error().message();
    EXPECT_EQ(wide->pad_size, 5u);
    EXPECT_EQ(wide->pad + 5, wide->entry);
    EXPECT_EQ(bare->kind, isa::SiteKind::x64_cave);
    EXPECT_EQ(bare->pad_size, 5u);
    EXPECT_EQ(bare->pad + 5, wide->pad);
}

TEST(Sites, WhatASixthByteWouldNotHelpLeavesItWhereItIs) {
    const auto [wide, bare] = sites_of(neighbours(9));
    ASSERT_TRUE(wide);
    EXPECT_FALSE(bare);
    EXPECT_EQ(wide->pad_size, 6u);
}

TEST(Sites, DoNotDisplaceWhatTheLoaderAdjusts) {
    for (const bool relocated : {false, true}) {
        ProgramMaker maker;
        maker.starts_with_nop = true;
        maker.function("padded", 1);
        maker.fill = 0;
        maker.function("bare", 2);
        if (relocated) {
            maker.relocated("padded", 3);
            maker.relocated("bare", 3);
        }
        const auto [padded, bare] = sites_of(maker);
        EXPECT_TRUE(padded) << "only its first instruction is displaced";
        EXPECT_EQ(bare.has_value(), !relocated);
    }
}

TEST(Sites, ATailTakesASixthByteWhereTheNextFunctionKeepsAPad) {
    for (const std::uint32_t fill : {4u, 10u, 11u, 16u}) {
        ProgramMaker maker;
        maker.only_returns = true;
        maker.fill = 0;
        maker.function("leaf", 1);
        maker.only_returns = false;
        maker.starts_with_nop = true;
        maker.fill = fill;
        maker.function("next", 2);
        const auto [leaf, next] = sites_of(maker);
        ASSERT_TRUE(leaf) << leaf.error().message();
        ASSERT_TRUE(next) << next.error().message();
        EXPECT_EQ(leaf->kind, isa::SiteKind::x64_tail) << fill;
        EXPECT_EQ(leaf->entry_size, fill < 11 ? 5u : 6u) << fill;
    }
}

} // namespace
} // namespace suture::diff
