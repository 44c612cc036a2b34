#include "patchgen/program/arm64/decode.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace suture::program::arm64 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::uint32_t> kAddress{
    0xb0000008, // adrp x8, 0x1000
    0x91004100, // add x0, x8, 0x10
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kLoads{
    0xb0000008, // adrp x8, 0x1000
    0xb9400500, // ldr w0, [x8, 4]
    0x3d800500, // str q0, [x8, 16]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kCopied{
    0xb0000008, // adrp x8, 0x1000
    0xaa0803e9, // mov x9, x8
    0x39400520, // ldrb w0, [x9, 1]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kSamePageOnBothWays{
    0xb4000060, // cbz x0, 12
    0xb0000008, // adrp x8, 0x1000
    0x14000002, // b 8
    0xb0000008, // adrp x8, 0x1000
    0xb9400500, // ldr w0, [x8, 4]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kOtherPageOnOneWay{
    0xb4000060, // cbz x0, 12
    0xb0000008, // adrp x8, 0x1000
    0x14000002, // b 8
    0xd0000008, // adrp x8, 0x2000
    0xb9400500, // ldr w0, [x8, 4]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kPointerOnOneWay{
    0xb4000060, // cbz x0, 12
    0xb0000008, // adrp x8, 0x1000
    0x14000002, // b 8
    0xaa0003e8, // mov x8, x0
    0xb9400500, // ldr w0, [x8, 4]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kStored{
    0xb0000008, // adrp x8, 0x1000
    0xb9400501, // ldr w1, [x8, 4]
    0xf9000008, // str x8, [x0]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kReturned{
    0xb0000000, // adrp x0, 0x1000
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kForgotten{
    0xb0000000, // adrp x0, 0x1000
    0x52800020, // mov w0, 1
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kLoopOfAFunclet{
    0xd65f03c0, // ret
    0xb0000015, // adrp x21, 0x1000
    0x14000003, // b 12
    0xb94006a9, // ldr w9, [x21, 4]
    0xaa0203e1, // mov x1, x2
    0xb5ffffc0, // cbnz x0, -8
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kLoopThatNothingLeadsTo{
    0xb0000015, // adrp x21, 0x1000
    0xb94006a9, // ldr w9, [x21, 4]
    0xd65f03c0, // ret
    0xb4000060, // cbz x0, 12
    0xaa0203e1, // mov x1, x2
    0xb5ffffc0, // cbnz x0, -8
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kKeptByACall{
    0xb0000013, // adrp x19, 0x1000
    0xb9400660, // ldr w0, [x19, 4]
    0x94000040, // bl 0x100
    0xb9400a60, // ldr w0, [x19, 8]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kLostInACall{
    0xb0000009, // adrp x9, 0x1000
    0xb9400520, // ldr w0, [x9, 4]
    0x94000040, // bl 0x100
    0xb9400920, // ldr w0, [x9, 8]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kGuarded{
    0xb0000009, // adrp x9, 0x1000
    0xf9400529, // ldr x9, [x9, 8]
    0xd0000008, // adrp x8, 0x2000
    0xd63f0120, // blr x9
    0xb9400900, // ldr w0, [x8, 8]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kLoop{
    0xb0000008, // adrp x8, 0x1000
    0xb9400501, // ldr w1, [x8, 4]
    0xd1000400, // sub x0, x0, 1
    0xb5ffffc0, // cbnz x0, -8
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kBehindACallThatDoesNotReturn{
    0xb0000013, // adrp x19, 0x1000
    0xb4000060, // cbz x0, 12
    0xaa0103f3, // mov x19, x1
    0x94000040, // bl 0x100
    0xb9400660, // ldr w0, [x19, 4]
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kLiteral{
    0x58000080, // ldr x0, 16
    0xd65f03c0, // ret
    0x00000000, // .word 0
    0x00000000, // .word 0
    0xffffffff, // .word 0xffffffff
    0xffffffff, // .word 0xffffffff
};
const std::vector<std::uint32_t> kLiteralInFront{
    0x14000003, // b 12
    0xffffffff, // .word 0xffffffff
    0xffffffff, // .word 0xffffffff
    0x58ffffc0, // ldr x0, -8
    0xd65f03c0, // ret
};
const std::vector<std::uint32_t> kRunsIntoLiteral{
    0x58000040, // ldr x0, 8
    0xd503201f, // nop
    0x00000000, // .word 0
    0x00000000, // .word 0
};
const std::vector<std::uint32_t> kTailCall{
    0xf9400008, // ldr x8, [x0]
    0xd61f0100, // br x8
};
const std::vector<std::uint32_t> kComputed{
    0x8b010008, // add x8, x0, x1
    0xd61f0100, // br x8
};
const std::vector<std::uint32_t> kConstantOfItsOwn{
    0x10000068, // adr x8, 12
    0xb9400100, // ldr w0, [x8]
    0xd65f03c0, // ret
    0xffffffff, // .word 0xffffffff
};

constexpr Rva kBegin{0x1000};

DecodedCode decoded(const std::vector<std::uint32_t>& words, End end = End::exact,
                    std::optional<Rva> guard_check = std::nullopt) {
    Bytes bytes;
    for (const std::uint32_t word : words)
        for (int shift = 0; shift < 32; shift += 8)
            bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    return decode({.begin = kBegin,
                   .bytes = bytes,
                   .end = end,
                   .image_base = {},
                   .image_size = 0x10000,
                   .guard_check = guard_check});
}

const Reference& reference_at(const DecodedCode& code, std::uint32_t offset) {
    static const Reference none;
    for (const auto& reference : code.references)
        if (reference.offset == offset)
            return reference;
    ADD_FAILURE() << "no reference at " << offset;
    return none;
}

TEST(Arm64DecodeTest, PutsAnAddressTogether) {
    const auto code = decoded(kAddress);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_EQ(reference_at(code, 0).kind, ReferenceKind::arm64_page21);
    EXPECT_EQ(reference_at(code, 0).target, Rva{0x2000});
    EXPECT_EQ(reference_at(code, 4).kind, ReferenceKind::arm64_low12_add);
    EXPECT_EQ(reference_at(code, 4).target, Rva{0x2010});
    EXPECT_EQ(reference_at(code, 4).use, Use::address);
    EXPECT_THAT(code.page_uses, ElementsAre(PageUse{0, 4}));
}

TEST(Arm64DecodeTest, SaysHowMuchIsLoadedAndStored) {
    const auto code = decoded(kLoads);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_EQ(reference_at(code, 4).kind, ReferenceKind::arm64_low12_load);
    EXPECT_EQ(reference_at(code, 4).target, Rva{0x2004});
    EXPECT_EQ(reference_at(code, 4).use, Use::read);
    EXPECT_EQ(reference_at(code, 4).access_size, 4u);
    EXPECT_EQ(reference_at(code, 8).target, Rva{0x2010});
    EXPECT_EQ(reference_at(code, 8).use, Use::write);
    EXPECT_EQ(reference_at(code, 8).access_size, 16u);
    EXPECT_THAT(code.page_uses, ElementsAre(PageUse{0, 4}, PageUse{0, 8}));
}

TEST(Arm64DecodeTest, FollowsCopiesOfAPage) {
    const auto code = decoded(kCopied);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_EQ(reference_at(code, 8).target, Rva{0x2001});
}

TEST(Arm64DecodeTest, TakesOnePageFromSeveralPlaces) {
    const auto code = decoded(kSamePageOnBothWays);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_THAT(code.page_uses, ElementsAre(PageUse{4, 16}, PageUse{12, 16}));
}

TEST(Arm64DecodeTest, FollowsAPageThroughALoop) {
    const auto code = decoded(kLoop);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_THAT(code.page_uses, ElementsAre(PageUse{0, 4}));
}

TEST(Arm64DecodeTest, RefusesWhatIsAPageOnSomeWaysOnly) {
    EXPECT_THAT(decoded(kOtherPageOnOneWay).undecoded, HasSubstr("on some ways only at 0x1010"));
    EXPECT_THAT(decoded(kPointerOnOneWay).undecoded, HasSubstr("on some ways only at 0x1010"));
}

TEST(Arm64DecodeTest, RefusesAPageThatGetsElsewhere) {
    EXPECT_THAT(decoded(kStored).undecoded, HasSubstr("page address in x8 that is used in an unknown way at 0x1008"));
    EXPECT_THAT(decoded(kReturned).undecoded, HasSubstr("nothing goes on from at 0x1000"));
}

TEST(Arm64DecodeTest, TakesAPageThatIsForgottenAtOnce) {
    const auto code = decoded(kForgotten);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_TRUE(code.page_uses.empty());
}

TEST(Arm64DecodeTest, KnowsWhatCallsKeep) {
    EXPECT_EQ(decoded(kKeptByACall).undecoded, "");
    EXPECT_THAT(decoded(kLostInACall).undecoded, HasSubstr("on some ways only at 0x100c"));
}

TEST(Arm64DecodeTest, KnowsThatTheGuardsCheckKeepsArguments) {
    EXPECT_EQ(decoded(kGuarded, End::exact, Rva{0x2008}).undecoded, "");
    EXPECT_THAT(decoded(kGuarded).undecoded, HasSubstr("on some ways only"));
}

TEST(Arm64DecodeTest, DoesNotCountWaysBehindACallThatCannotReturn) {
    const auto code = decoded(kBehindACallThatDoesNotReturn);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_EQ(reference_at(code, 16).target, Rva{0x2004});
}

TEST(Arm64DecodeTest, WaitsForBranchesFromFurtherOnWhereNothingElseLeads) {
    const auto code = decoded(kLoopOfAFunclet);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_EQ(reference_at(code, 12).target, Rva{0x2004});
    EXPECT_EQ(decoded(kLoopThatNothingLeadsTo).undecoded, "");
}

TEST(Arm64DecodeTest, DoesNotDecodeLiterals) {
    const auto code = decoded(kLiteral);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_THAT(code.instructions, ElementsAre(0, 4, 8, 12));
    EXPECT_EQ(reference_at(code, 0).kind, ReferenceKind::arm64_literal19);
    EXPECT_EQ(reference_at(code, 0).access_size, 8u);
    EXPECT_THAT(decoded(kLiteralInFront).instructions, ElementsAre(0, 12, 16));
    EXPECT_EQ(decoded(kLiteralInFront).undecoded, "");
    EXPECT_THAT(decoded(kRunsIntoLiteral).undecoded, HasSubstr("runs into a table at 0x1008"));
}

TEST(Arm64DecodeTest, TakesDataBehindACallThatDoesNotReturn) {
    // ldr x0, 12; bl 0x100; nop; a literal
    const auto code = decoded({0x58000060, 0x94000040, 0xd503201f, 0xffffffff, 0xffffffff});
    EXPECT_EQ(code.undecoded, "");
    EXPECT_THAT(code.instructions, ElementsAre(0, 4, 8));
    EXPECT_FALSE(code.runs_on);
}

TEST(Arm64DecodeTest, SaysThatAFunctionReadsItsOwnBytes) {
    EXPECT_TRUE(decoded({kConstantOfItsOwn.begin(), kConstantOfItsOwn.begin() + 3}).undecoded.empty());
    EXPECT_THAT(decoded(kConstantOfItsOwn).undecoded, HasSubstr("no instruction at 0x100c"));
}

TEST(Arm64DecodeTest, TellsACallInTailPositionFromAComputedJump) {
    EXPECT_FALSE(decoded(kTailCall).jumps_by_register);
    EXPECT_TRUE(decoded(kTailCall).ends_in_terminator);
    EXPECT_TRUE(decoded(kComputed).jumps_by_register);
}

TEST(Arm64DecodeTest, EndsByFlowBehindTheLastBranch) {
    // cbz x0, 8; ret; ret; nop; something that is none
    const auto code = decoded({0xb4000040, 0xd65f03c0, 0xd65f03c0, 0xd503201f, 0xffffffff}, End::flow);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_EQ(code.size, 12u);
    EXPECT_TRUE(code.ends_in_terminator);
}

TEST(Arm64DecodeTest, LeavesOutFillBehindATerminator) {
    for (const std::uint32_t fill : {0u, 0xd503201fu, 0xd43e0000u}) {
        const auto code = decoded({0xd65f03c0, fill, fill}, End::trimmed);
        EXPECT_EQ(code.undecoded, "");
        EXPECT_EQ(code.size, 4u);
    }
}

TEST(Arm64DecodeTest, RefusesBranchesIntoDataAndOutOfTheImage) {
    // ldr x0, 12; b 12; ret; a literal
    EXPECT_THAT(decoded({0x58000060, 0x14000002, 0xd65f03c0, 0xffffffff, 0xffffffff}).undecoded,
                HasSubstr("branch into data at 0x1004"));
    EXPECT_THAT(decoded({0x15000000}).undecoded, HasSubstr("branch out of the image at 0x1000"));
}

TEST(Arm64DecodeTest, KnowsFill) {
    EXPECT_TRUE(is_fill(Bytes{0x1f, 0x20, 0x03, 0xd5, 0, 0, 0, 0}));
    EXPECT_FALSE(is_fill(Bytes{0xc0, 0x03, 0x5f, 0xd6}));
    EXPECT_FALSE(is_fill(Bytes{0, 0}));
}

} // namespace
} // namespace suture::program::arm64
