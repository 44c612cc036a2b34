#include "engine/isa/arm64/branches.hpp"
#include "tests/engine/isa/arm64/code.hpp"

#include <gtest/gtest.h>

namespace suture::isa::arm64 {
namespace {

using test::code;

constexpr Va kAt{0x180001000};

TEST(Arm64Branches, AStubJumpsThroughItsCell) {
    EXPECT_EQ(stub(kAt, kAt + 0x1000), code({0x58008010, 0xd61f0200})); // ldr x16, .+0x1000; br x16
    EXPECT_EQ(stub(kAt, kAt + 128 * 0x1000), code({0x58400010, 0xd61f0200}));
}

TEST(Arm64Branches, RefuseAStubWhoseCellIsOutOfReach) {
    for (const std::uint64_t distance : {0x100000ull, ~0x100003ull, 0x1002ull, 1ull << 33}) {
        const auto bytes = stub(kAt, kAt + distance);
        ASSERT_FALSE(bytes);
        EXPECT_EQ(bytes.error().code(), Code::branch_out_of_reach);
    }
}

TEST(Arm64Branches, AVeneerIsABranchWhereOneReaches) {
    EXPECT_EQ(veneer(kAt, kAt + 0x7fffffc), code({0x15ffffff}));
    EXPECT_EQ(veneer(kAt, kAt - 0x8000000), code({0x16000000}));
}

TEST(Arm64Branches, AVeneerToAnywhereHoldsTheAddress) {
    // ldr x16, .+8; br x16; address
    EXPECT_EQ(veneer(kAt, kAt + 0x8000000), code({0x58000050, 0xd61f0200, 0x88001000, 0x1}));
    EXPECT_EQ(veneer(kAt, Va{0x7fff12345678}), code({0x58000050, 0xd61f0200, 0x12345678, 0x7fff}));
    EXPECT_EQ(veneer(kAt, Va{0x7fff12345678}).size(), kFarBranchSize);
}

TEST(Arm64Branches, FollowWhatTheyWrite) {
    for (const Va to : {kAt + 0x100, kAt - 0x8000000, Va{0x10}, Va{0xfffffffffffffff0}}) {
        const auto jump = jump_at(veneer(kAt, to), kAt);
        ASSERT_TRUE(jump);
        EXPECT_EQ(jump->to, to);
        EXPECT_FALSE(jump->indirect);
    }
    const auto through_cell = jump_at(*stub(kAt, kAt + 0x1000), kAt);
    ASSERT_TRUE(through_cell);
    EXPECT_EQ(through_cell->to, kAt + 0x1000);
    EXPECT_TRUE(through_cell->indirect);
}

TEST(Arm64Branches, FollowThunksOfLinkers) {
    // adrp x16, .+0x5000; ldr x16, [x16, #0x128]; br x16: an import
    const auto import = jump_at(code({0xb0000030, 0xf9409610, 0xd61f0200}), kAt);
    ASSERT_TRUE(import);
    EXPECT_EQ(import->to, Va{0x180006128});
    EXPECT_TRUE(import->indirect);
    // adrp x16, .+0x5000; add x16, x16, #0x123; br x16: out of reach of a branch
    const auto far = jump_at(code({0xb0000030, 0x91048e10, 0xd61f0200}), kAt);
    ASSERT_TRUE(far);
    EXPECT_EQ(far->to, Va{0x180006123});
    EXPECT_FALSE(far->indirect);
    // ldr x17, .+8; br x17 and an address: what detours are made of
    const auto detour = jump_at(code({0x58000051, 0xd61f0220, 0x12345678, 0x7fff}), kAt);
    ASSERT_TRUE(detour);
    EXPECT_EQ(detour->to, Va{0x7fff12345678});
}

TEST(Arm64Branches, FollowNothingElse) {
    for (const Bytes& bytes : {
             Bytes{}, Bytes{0x00, 0x00, 0x00}, code({0x94000000}), // bl
             code({0x54000040}),                                   // b.eq
             code({0xd61f0200}),                                   // br x16 alone
             code({0x58000050}),                                   // ldr x16 alone
             code({0x58000050, 0xd61f0220}),                       // ldr x16; br x17
             code({0x58000050, 0xd63f0200}),                       // ldr x16; blr x16
             code({0x18000050, 0xd61f0200}),                       // ldr w16; br x16
             code({0xb0000030, 0xf9409610}),                       // adrp; ldr
             code({0xb0000030, 0xf9409630, 0xd61f0200}),           // adrp x16; ldr x16, [x17]; br x16
             code({0xb0000030, 0xf9409611, 0xd61f0220}),           // adrp x16; ldr x17, [x16]; br x17
             code({0xb0000030, 0xb9409610, 0xd61f0200}),           // a load of 4 bytes
             code({0xb0000030, 0x91448e10, 0xd61f0200}),           // an add of pages
         })
        EXPECT_FALSE(jump_at(bytes, kAt)) << bytes.size();
}

} // namespace
} // namespace suture::isa::arm64
