#include "engine/isa/arm64/continuation.hpp"
#include "engine/isa/isa.hpp"
#include "tests/engine/isa/arm64/code.hpp"

#include <gtest/gtest.h>

namespace suture::isa::arm64 {
namespace {

using test::code;

constexpr Va kEntry{0x180001010};
constexpr Va kAt{0x181000040};

/// The branch back from the instruction with this index.
std::uint32_t back_from(std::uint32_t index) {
    return *aimed_at(Form::branch26, kB, kAt.value + index * 4, kEntry.value + 4);
}

Result<Bytes> moved(std::uint32_t word) {
    return continuation(code({word}), kEntry, kAt);
}

TEST(Arm64Continuation, CopiesWhatRefersToNothing) {
    EXPECT_EQ(moved(0xa9be7bfd), code({0xa9be7bfd, back_from(1)})); // stp x29, x30, [sp, #-0x20]!
    EXPECT_EQ(moved(0xd503233f), code({0xd503233f, back_from(1)})); // paciasp
}

TEST(Arm64Continuation, KeepsWhatAnAddressIs) {
    // adrp x8, 0x180006000
    const auto page = moved(0xb0000028);
    ASSERT_TRUE(page);
    EXPECT_EQ(*page, code({*aimed_at(Form::adrp21, 0x90000008, kAt.value, 0x180006000), back_from(1)}));
    // adr x3, .+0x123 becomes adrp x3; add x3, x3, #0x133
    const auto near = moved(0x70000903);
    ASSERT_TRUE(near);
    EXPECT_EQ(*near, code({*aimed_at(Form::adrp21, 0x90000003, kAt.value, 0x180001133), 0x9104cc63, back_from(2)}));
}

TEST(Arm64Continuation, LoadsTheSameLiteral) {
    const std::uint32_t page0 = *aimed_at(Form::adrp21, 0x90000000, kAt.value, 0x180001018);
    struct Case {
        std::uint32_t word; ///< of the literal 8 bytes behind the entry
        std::uint32_t base;
        std::uint32_t load;
        const char* text;
    };
    for (const auto& [word, base, load, text] : std::initializer_list<Case>{
             {0x58000050, 16, 0xf9400210, "ldr x16"},
             {0x18000043, 3, 0xb9400063, "ldr w3"},
             {0x98000043, 3, 0xb9800063, "ldrsw x3"},
             {0x1c000041, 16, 0xbd400201, "ldr s1"},
             {0x5c000041, 16, 0xfd400201, "ldr d1"},
             {0x9c000041, 16, 0x3dc00201, "ldr q1"},
             {0xd8000040, 16, 0xf9800200, "prfm pldl1keep"},
         })
        EXPECT_EQ(moved(word), code({page0 | base, 0x91006000 | rn(base) | base, load, back_from(3)})) << text;
}

TEST(Arm64Continuation, LeadsABranchWhereItLed) {
    EXPECT_EQ(moved(0x14000010), code({*aimed_at(Form::branch26, kB, kAt.value, kEntry.value + 0x40)}));
    EXPECT_EQ(moved(0x14000000), code({*aimed_at(Form::branch26, kB, kAt.value, kEntry.value)})); // a loop
}

TEST(Arm64Continuation, TakesAConditionalBranchByTheSameCondition) {
    const std::uint32_t taken = *aimed_at(Form::branch26, kB, kAt.value + 8, kEntry.value + 0x20);
    EXPECT_EQ(moved(0x54000101), code({0x54000041, back_from(1), taken})); // b.ne
    EXPECT_EQ(moved(0x35000100), code({0x35000040, back_from(1), taken})); // cbnz w0
    EXPECT_EQ(moved(0xb6f80103), code({0xb6f80043, back_from(1), taken})); // tbz x3, #63
}

TEST(Arm64Continuation, ACallReturnsBehindTheOriginalCall) {
    const std::uint32_t page = *aimed_at(Form::adrp21, 0x9000001e, kAt.value, 0x180001014);
    const std::uint32_t add = 0x910053de; // add x30, x30, #0x14
    EXPECT_EQ(moved(0x94000010), code({page, add, *aimed_at(Form::branch26, kB, kAt.value + 8, kEntry.value + 0x40)}));
    EXPECT_EQ(moved(0xd63f0100), code({page, add, 0xd61f0100})); // blr x8: br x8
    EXPECT_EQ(moved(0xd63f091f), code({page, add, 0xd61f091f})); // blraaz x8: braaz x8
    EXPECT_EQ(moved(0xd73f0909), code({page, add, 0xd71f0909})); // blraa x8, x9: braa x8, x9
}

TEST(Arm64Continuation, NothingFollowsAReturnOrAJump) {
    for (const std::uint32_t word : {0xd65f03c0u, 0xd65f0bffu, 0xd61f0100u, 0xd71f0909u})
        EXPECT_EQ(moved(word), code({word}));
}

TEST(Arm64Continuation, RefusesWhatCannotBeMoved) {
    const auto result = moved(0xc85f7c20); // ldxr
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::site_unproved);
}

TEST(Arm64Continuation, RefusesWhatIsOutOfReach) {
    for (const std::uint32_t word : {0xa9be7bfdu, 0x14000010u, 0x94000010u, 0x54000101u}) {
        const auto result = continuation(code({word}), kEntry, kEntry + 0x8000100);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), Code::branch_out_of_reach);
    }
    for (const std::uint32_t word : {0xb0000028u, 0x10000003u, 0x58000050u})
        EXPECT_FALSE(continuation(code({word}), kEntry, kEntry + 0x1'8000'0000));
}

} // namespace
} // namespace suture::isa::arm64
