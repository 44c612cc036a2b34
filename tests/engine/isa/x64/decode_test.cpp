#include "engine/isa/x64/decode.hpp"
#include "tests/engine/isa/x64/disassembly.hpp"

#include <gtest/gtest.h>

namespace suture::isa::x64 {
namespace {

TEST(Decode, TellsTheFlowOfAnInstruction) {
    const struct {
        const char* bytes;
        Flow flow;
    } cases[] = {
        {"48 89 e5", Flow::next},             // mov rbp, rsp
        {"0f 05", Flow::next},                // syscall
        {"cc", Flow::next},                   // int3: `int3; ret` is a function that is called
        {"cd 2e", Flow::next},                // int 2eh
        {"eb 00", Flow::jump},                // jmp short
        {"e9 00 00 00 00", Flow::jump},       // jmp near
        {"ff 25 00 00 00 00", Flow::jump},    // jmp [rip]
        {"48 ff 25 00 00 00 00", Flow::jump}, // rex.w jmp [rip]
        {"ff e0", Flow::jump},                // jmp rax
        {"74 00", Flow::conditional},         // jz short
        {"0f 84 00 00 00 00", Flow::conditional},
        {"e8 00 00 00 00", Flow::call},
        {"ff 15 00 00 00 00", Flow::call},
        {"c3", Flow::end},    // ret
        {"f3 c3", Flow::end}, // rep ret
        {"c2 08 00", Flow::end},
        {"48 cf", Flow::end}, // iretq
        {"0f 0b", Flow::end}, // ud2
        {"cd 29", Flow::end}, // int 29h
    };
    for (const auto& c : cases) {
        const auto found = decode(hex(c.bytes));
        ASSERT_TRUE(found) << c.bytes;
        EXPECT_EQ(found->flow, c.flow) << c.bytes;
        EXPECT_EQ(found->obstacle, "") << c.bytes;
        EXPECT_EQ(found->length, hex(c.bytes).size()) << c.bytes;
    }
}

TEST(Decode, FindsWhatAnInstructionRefersTo) {
    const auto load = decode(hex("48 8b 05 10 00 00 00")); // mov rax, [rip+0x10]
    EXPECT_EQ(load->displacement_at, 3);
    EXPECT_EQ(load->target, 0x17);
    EXPECT_FALSE(load->computes_only);
    const auto compare = decode(hex("80 3d f0 ff ff ff 05")); // cmp byte [rip-0x10], 5
    EXPECT_EQ(compare->displacement_at, 2);
    EXPECT_EQ(compare->target, 7 - 0x10);
    EXPECT_TRUE(decode(hex("48 8d 05 10 00 00 00"))->computes_only); // lea rax, [rip+0x10]
    const auto jump = decode(hex("7f fe"));                          // jg -2
    EXPECT_TRUE(jump->relative_branch);
    EXPECT_EQ(jump->target, 0);
    EXPECT_EQ(jump->condition, 0xf);
    EXPECT_EQ(decode(hex("48 8b 44 24 08"))->displacement_at, 0); // mov rax, [rsp+8]
}

TEST(Decode, KnowsCallsThroughTheStackPointer) {
    EXPECT_TRUE(decode(hex("ff d4"))->operand_is_rsp);           // call rsp
    EXPECT_TRUE(decode(hex("ff 54 24 08"))->operand_is_rsp);     // call [rsp+8]
    EXPECT_FALSE(decode(hex("41 ff d4"))->operand_is_rsp);       // call r12
    EXPECT_FALSE(decode(hex("41 ff 54 24 08"))->operand_is_rsp); // call [r12+8]
    EXPECT_FALSE(decode(hex("ff 14 c0"))->operand_is_rsp);       // call [rax+rax*8]
    EXPECT_FALSE(decode(hex("ff 10"))->operand_is_rsp);          // call [rax]
}

TEST(Decode, NamesWhatCannotBeMoved) {
    for (const char* text : {
             "e2 00",                // loop
             "e1 00",                // loope
             "e0 00",                // loopne
             "e3 00",                // jrcxz
             "67 e3 00",             // jecxz
             "c7 f8 00 00 00 00",    // xbegin
             "ff 28",                // jmp far [rax]
             "ff 18",                // call far [rax]
             "66 e9 00 00 00 00",    // jmp with an operand-size prefix
             "67 8b 05 00 00 00 00", // mov eax, [eip]
         }) {
        const auto found = decode(hex(text));
        ASSERT_TRUE(found) << text;
        EXPECT_NE(found->obstacle, "") << text;
    }
}

TEST(Decode, RefusesWhatIsNoWholeInstruction) {
    for (const char* text :
         {"", "48", "e8 00 00", "06", "ea 00 00 00 00 00 00", "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"})
        EXPECT_FALSE(decode(hex(text))) << text;
}

} // namespace
} // namespace suture::isa::x64
