#include "engine/core/byte_view.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace suture {
namespace {

const Bytes kBytes = {0x01, 0x02, 0x03, 0x04, 'a', 'b', 0x00, 'c'};
constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

TEST(ByteViewTest, SlicesWithinItself) {
    const ByteView view(kBytes);
    EXPECT_EQ(view.slice(2, 2)->copy(), (Bytes{0x03, 0x04}));
    EXPECT_TRUE(view.slice(8, 0).has_value());
    EXPECT_TRUE(view.slice(0, 8).has_value());
}

TEST(ByteViewTest, RefusesWhatIsNotInsideEvenWhereTheSumWouldWrap) {
    const ByteView view(kBytes);
    EXPECT_FALSE(view.slice(0, 9));
    EXPECT_FALSE(view.slice(9, 0));
    EXPECT_FALSE(view.slice(kHuge, 2));
    EXPECT_FALSE(view.slice(2, kHuge));
    EXPECT_FALSE(view.from(9));
}

TEST(ByteViewTest, ReadsLittleEndianIntegersWhereTheyFit) {
    const ByteView view(kBytes);
    EXPECT_EQ(view.read<std::uint32_t>(0), 0x04030201u);
    EXPECT_EQ(view.read<std::uint16_t>(1), 0x0302u);
    EXPECT_FALSE(view.read<std::uint32_t>(5));
    EXPECT_FALSE(view.read<std::uint32_t>(kHuge));
}

TEST(ByteViewTest, ReadsStringsOnlyUpToANulWithinTheLimit) {
    const ByteView view(kBytes);
    EXPECT_EQ(view.c_string(4, 16), "ab");
    EXPECT_FALSE(view.c_string(4, 2));
    EXPECT_FALSE(view.c_string(7, 16));
    EXPECT_FALSE(view.c_string(8, 16));
}

TEST(ByteViewTest, ComparesByContent) {
    const Bytes same = kBytes;
    EXPECT_EQ(ByteView(kBytes), ByteView(same));
    EXPECT_FALSE(ByteView(kBytes) == *ByteView(same).slice(0, 7));
    EXPECT_EQ(ByteView(), ByteView());
}

} // namespace
} // namespace suture
