#include "engine/patch/epilogue_x64.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace suture::patch {
namespace {

using Start = EpilogueX64::Start;
using End = EpilogueX64::End;
using testing::ElementsAre;

TEST(EpilogueX64, ReadsWhatTheAbiAllows) {
    // add rsp, 0x28; pop rbx; pop r15; ret
    auto found = epilogue_at(Bytes{0x48, 0x83, 0xc4, 0x28, 0x5b, 0x41, 0x5f, 0xc3});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->start, Start::add);
    EXPECT_EQ(found->amount, 0x28);
    EXPECT_THAT(found->pops, ElementsAre(3, 15));
    EXPECT_EQ(found->end, End::ret);
    EXPECT_TRUE(found->certain());

    // add rsp, 0x12345678; ret 8
    found = epilogue_at(Bytes{0x48, 0x81, 0xc4, 0x78, 0x56, 0x34, 0x12, 0xc2, 8, 0});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->amount, 0x12345678);
    EXPECT_EQ(found->extra, 8u);

    // lea rsp, [rbp-0x10]; pop rbp; rep ret
    found = epilogue_at(Bytes{0x48, 0x8d, 0x65, 0xf0, 0x5d, 0xf3, 0xc3});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->start, Start::base);
    EXPECT_EQ(found->base, 5);
    EXPECT_EQ(found->amount, -0x10);

    // lea rsp, [r12+0x80]; jmp rel32
    found = epilogue_at(Bytes{0x49, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0, 0xe9, 0x10, 0, 0, 0});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->base, 12);
    EXPECT_EQ(found->amount, 0x80);
    EXPECT_EQ(found->end, End::jump);
    EXPECT_EQ(found->jump, 13 + 0x10);

    // leave; ret
    found = epilogue_at(Bytes{0xc9, 0xc3});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->base, 5);
    EXPECT_THAT(found->pops, ElementsAre(5));

    // mov rsp, rbp; pop rbp; rex.w jmp [rip+disp]
    found = epilogue_at(Bytes{0x48, 0x89, 0xec, 0x5d, 0x48, 0xff, 0x25, 0, 0, 0, 0});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->end, End::indirect_jump);
}

TEST(EpilogueX64, IsNotCertainOfALoneJump) {
    EXPECT_TRUE(epilogue_at(Bytes{0xc3})->certain());
    EXPECT_TRUE(epilogue_at(Bytes{0x48, 0xff, 0xe0})->certain()); // rex.w jmp rax: a tail call
    EXPECT_FALSE(epilogue_at(Bytes{0xff, 0xe0})->certain());
    EXPECT_FALSE(epilogue_at(Bytes{0xeb, 0xfe})->certain());
    EXPECT_EQ(epilogue_at(Bytes{0xeb, 0xfe})->jump, 0);
    EXPECT_FALSE(epilogue_at(Bytes{0xff, 0x25, 0, 0, 0, 0})->certain());
}

TEST(EpilogueX64, RefusesEverythingElse) {
    const std::vector<Bytes> others = {
        {},
        {0x90, 0xc3},                      // nop; ret
        {0x5b},                            // cut off
        {0x48, 0x83, 0xc4},                // cut off
        {0x48, 0x83, 0xec, 0x28, 0xc3},    // sub rsp
        {0x5c, 0xc3},                      // pop rsp
        {0x5b, 0xe8, 0, 0, 0, 0},          // pop; call
        {0x48, 0x8d, 0x20, 0xc3},          // lea rsp, [rax]: needs a displacement
        {0x48, 0x8d, 0x64, 0x04, 0, 0xc3}, // lea rsp, [rsp+rax]
        {0xff, 0xd0},                      // call rax
        {0xe9, 0, 0},                      // cut off
    };
    for (const Bytes& bytes : others)
        EXPECT_FALSE(epilogue_at(bytes)) << testing::PrintToString(bytes);
}

} // namespace
} // namespace suture::patch
