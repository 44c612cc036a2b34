#include "engine/isa/x64/branches.hpp"
#include "tests/engine/isa/x64/disassembly.hpp"

#include <gtest/gtest.h>

namespace suture::isa::x64 {
namespace {

constexpr Va kAt{0x1'8000'1000};

TEST(NearJump, CountsFromBehindItself) {
    const struct {
        Va to;
        const char* bytes;
        const char* text;
    } cases[] = {
        {kAt + 5, "e9 00 00 00 00", "jmp 0x0000000180001005"},
        {kAt, "e9 fb ff ff ff", "jmp 0x0000000180001000"},
        {kAt + 5 + 0x7fff'ffff, "e9 ff ff ff 7f", "jmp 0x0000000200001004"},
        {kAt + 5 - 0x8000'0000, "e9 00 00 00 80", "jmp 0x0000000100001005"},
    };
    for (const auto& c : cases) {
        const auto code = near_jump(kAt, c.to);
        ASSERT_TRUE(code) << c.text;
        EXPECT_EQ(*code, hex(c.bytes));
        EXPECT_EQ(disassemble(*code, kAt), Text{c.text});
    }
}

TEST(NearJump, RefusesWhatARel32DoesNotReach) {
    for (const Va to : {kAt + 5 + 0x8000'0000, kAt + 5 - 0x8000'0001, Va{0x7fff'ffff'0000}}) {
        const auto code = near_jump(kAt, to);
        ASSERT_FALSE(code);
        EXPECT_EQ(code.error().code(), Code::branch_out_of_reach);
    }
}

TEST(FarJump, GoesThroughTheLiteralBehindIt) {
    EXPECT_EQ(far_jump(Va{0x7fff'1234'5678'9abc}), hex("ff 25 00 00 00 00 bc 9a 78 56 34 12 ff 7f"));
}

TEST(Stub, JumpsThroughItsCellAsTheSystemsOwnDo) {
    const auto code = stub(kAt, kAt + 0x1000);
    ASSERT_TRUE(code);
    EXPECT_EQ(*code, hex("ff 25 fa 0f 00 00 cc cc"));
    EXPECT_EQ(disassemble(*code, kAt), (Text{"jmp [0x0000000180002000]", "int3", "int3"}));
    EXPECT_EQ(*stub(kAt + 8, kAt + 8 + 3 * 0x1000), hex("ff 25 fa 2f 00 00 cc cc"));
    EXPECT_EQ(stub(kAt, kAt + 0x8000'0006).error().code(), Code::branch_out_of_reach);
}

TEST(JumpAt, KnowsTheFormsThatDetoursUse) {
    const struct {
        const char* bytes;
        std::uint64_t to;
        bool indirect;
    } cases[] = {
        {"e9 00 10 00 00", kAt.value + 0x1005, false},
        {"eb f9", kAt.value - 5, false},
        {"f2 e9 00 10 00 00", kAt.value + 0x1006, false},                      // bnd jmp
        {"ff 25 fa 0f 00 00", kAt.value + 0x1000, true},                       // jmp [rip+0xffa]
        {"48 ff 25 f9 0f 00 00", kAt.value + 0x1000, true},                    // rex.w jmp [rip+0xff9]
        {"48 b8 88 77 66 55 44 33 22 11 ff e0", 0x1122334455667788, false},    // mov rax; jmp rax
        {"49 bb 88 77 66 55 44 33 22 11 41 ff e3", 0x1122334455667788, false}, // mov r11; jmp r11
        {"48 b8 88 77 66 55 44 33 22 11 50 c3", 0x1122334455667788, false},    // mov rax; push rax; ret
        {"49 bb 88 77 66 55 44 33 22 11 41 53 c3", 0x1122334455667788, false}, // mov r11; push r11; ret
        {"68 88 77 66 55 c7 44 24 04 44 33 22 11 c3", 0x1122334455667788, false},
        {"68 78 56 34 12 c3", 0x12345678, false},         // push; ret
        {"68 00 00 00 80 c3", 0xffffffff80000000, false}, // the push extends the sign
        {"68 00 00 00 f0 c7 44 24 04 01 00 00 00 c3", 0x1f0000000, false},
    };
    for (const auto& c : cases) {
        const auto jump = jump_at(hex(c.bytes), kAt);
        ASSERT_TRUE(jump) << c.bytes;
        EXPECT_EQ(jump->to.value, c.to) << c.bytes;
        EXPECT_EQ(jump->indirect, c.indirect) << c.bytes;
    }
}

TEST(JumpAt, SaysNothingOfOtherCode) {
    for (const char* text : {
             "",
             "e9 00 10 00",                               // cut off
             "e8 00 10 00 00",                            // call
             "74 10",                                     // conditional
             "ff e0",                                     // jmp rax: to where?
             "ff 15 00 00 00 00",                         // call [rip]
             "66 e9 00 00 00 00",                         //
             "ff 2d 00 00 00 00",                         // far
             "48 b8 88 77 66 55 44 33 22 11 ff e1",       // mov rax; jmp rcx
             "48 b8 88 77 66 55 44 33 22 11 41 ff e0",    // mov rax; jmp r8
             "48 b8 88 77 66 55 44 33 22 11",             //
             "48 b8 88 77 66 55 44 33 22 11 50",          //
             "68 88 77 66 55 c7 44 24 04 44 33 22 11",    // no ret
             "68 88 77 66 55 c7 44 24 08 44 33 22 11 c3", // another slot
             "68 88 77 66 55",                            //
             "c3",                                        //
         })
        EXPECT_FALSE(jump_at(hex(text), kAt)) << text;
}

} // namespace
} // namespace suture::isa::x64
