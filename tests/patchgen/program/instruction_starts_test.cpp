#include "patchgen/program/instruction_starts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace suture::program {
namespace {

TEST(InstructionStarts, AreFoundFromBothSides) {
    const std::vector<std::uint32_t> offsets{0, 5, 63, 64, 65, 200, 320};
    const InstructionStarts starts(offsets);
    EXPECT_EQ(starts.offsets(), offsets);
    for (std::uint32_t at = 0; at < 400; ++at) {
        const auto behind = std::ranges::lower_bound(offsets, at);
        const auto before = std::ranges::upper_bound(offsets, at);
        EXPECT_EQ(starts.at_or_behind(at), behind != offsets.end() ? std::optional(*behind) : std::nullopt) << at;
        EXPECT_EQ(starts.at_or_before(at), before != offsets.begin() ? std::optional(before[-1]) : std::nullopt) << at;
    }
    EXPECT_EQ(starts, InstructionStarts(offsets));
    EXPECT_NE(starts, InstructionStarts(std::span(offsets).first(6)));
}

TEST(InstructionStarts, MayBeNone) {
    const InstructionStarts none;
    EXPECT_TRUE(none.empty());
    EXPECT_TRUE(none.offsets().empty());
    EXPECT_EQ(none.at_or_behind(0), std::nullopt);
    EXPECT_EQ(none.at_or_before(~0u), std::nullopt);
    EXPECT_EQ(none, InstructionStarts(std::vector<std::uint32_t>()));
}

} // namespace
} // namespace suture::program
