#include "engine/core/address.hpp"

#include <gtest/gtest.h>

namespace suture {
namespace {

TEST(RvaRangeTest, ContainsItsFirstByteButNotTheOneBehindItsLast) {
    const RvaRange range{Rva{0x1000}, 0x10};
    EXPECT_TRUE(range.contains(Rva{0x1000}));
    EXPECT_TRUE(range.contains(Rva{0x100f}));
    EXPECT_FALSE(range.contains(Rva{0x1010}));
    EXPECT_FALSE(range.contains(Rva{0xfff}));
}

TEST(RvaRangeTest, DoesNotWrapAtTheEndOfTheAddressSpace) {
    const RvaRange last{Rva{0xffff'fff0}, 0x20};
    EXPECT_EQ(last.end(), 0x1'0000'0010u);
    EXPECT_FALSE(last.contains(Rva{0}));
    EXPECT_FALSE(last.overlaps({Rva{0}, 0x10}));
}

TEST(RvaRangeTest, TouchingRangesDoNotOverlap) {
    const RvaRange range{Rva{0x1000}, 0x10};
    EXPECT_FALSE(range.overlaps({Rva{0x1010}, 4}));
    EXPECT_FALSE(range.overlaps({Rva{0xff0}, 0x10}));
    EXPECT_TRUE(range.overlaps({Rva{0x100f}, 4}));
}

TEST(VaRangeTest, ContainsByDistanceFromItsBegin) {
    const VaRange range{Va{0xffff'ffff'ffff'f000}, 0xfff};
    EXPECT_TRUE(range.contains(Va{0xffff'ffff'ffff'f000}));
    EXPECT_FALSE(range.contains(Va{0xffff'ffff'ffff'ffff}));
    EXPECT_FALSE(range.contains(Va{0}));
}

} // namespace
} // namespace suture
