#include "engine/patch/call_forms_x64.hpp"

#include <gtest/gtest.h>

namespace suture::patch {
namespace {

TEST(CallFormsX64, KnowsEveryFormOfACall) {
    const std::vector<Bytes> calls = {
        {0xe8, 1, 2, 3, 4},                         // call rel32
        {0x67, 0xe8, 1, 2, 3, 4},                   // addr32 call rel32
        {0xff, 0xd0},                               // call rax
        {0x41, 0xff, 0xd4},                         // call r12
        {0xff, 0x10},                               // call [rax]
        {0xff, 0x50, 0x18},                         // call [rax+0x18]
        {0xff, 0x90, 0, 1, 0, 0},                   // call [rax+0x100]
        {0xff, 0x15, 1, 2, 3, 4},                   // call [rip+disp]
        {0x48, 0xff, 0x15, 1, 2, 3, 4},             // rex.w call [rip+disp]
        {0xff, 0x14, 0xc8},                         // call [rax+rcx*8]
        {0xff, 0x14, 0x25, 0x00, 0x10, 0xfe, 0x7f}, // call [0x7ffe1000]
        {0x42, 0xff, 0x54, 0xe0, 0x08},             // call [rax+r12*8+8]
        {0x43, 0xff, 0x94, 0xe5, 0, 1, 0, 0},       // call [r13+r12*8+0x100]
        {0x3e, 0xff, 0xd0},                         // notrack call rax
        {0xf2, 0xe8, 1, 2, 3, 4},                   // bnd call rel32
    };
    for (Bytes call : calls) {
        EXPECT_TRUE(ends_with_call_x64(call)) << testing::PrintToString(call);
        if (call.size() < kMaxCallSizeX64) {
            call.insert(call.begin(), 0x90);
            EXPECT_TRUE(ends_with_call_x64(call)) << testing::PrintToString(call);
        }
    }
}

TEST(CallFormsX64, KnowsWhatIsNoCall) {
    const std::vector<Bytes> others = {
        {},
        {0xc3},
        {0xe9, 1, 2, 3, 4},       // jmp rel32
        {0xff, 0xe0},             // jmp rax
        {0xff, 0x25, 1, 2, 3, 4}, // jmp [rip+disp]
        {0xff, 0x35, 1, 2, 3, 4}, // push [rip+disp]
        {0xe8, 1, 2, 3},          // cut off
        {0xe8, 1, 2, 3, 4, 5},    // one byte behind it
        {0x0f, 0x05},             // syscall
        {0xff},                   // opcode alone
        {0xff, 0x14},             // SIB is missing
    };
    for (const Bytes& bytes : others)
        EXPECT_FALSE(ends_with_call_x64(bytes)) << testing::PrintToString(bytes);
}

TEST(CallFormsX64, KnowsWhatALeafLooksLike) {
    EXPECT_TRUE(looks_like_leaf_x64(Bytes{0xc3}));
    EXPECT_TRUE(looks_like_leaf_x64(Bytes{0x48, 0x89, 0xc8, 0x74, 0x02, 0xc3}));       // a conditional jump is passed
    EXPECT_TRUE(looks_like_leaf_x64(Bytes{0xff, 0x25, 0, 0, 0, 0}));                   // import thunk
    EXPECT_TRUE(looks_like_leaf_x64(Bytes{0x48, 0x8b, 0x44, 0x24, 0x08, 0xeb, 0x10})); // reads its arguments
    EXPECT_TRUE(
        looks_like_leaf_x64(Bytes{0x48, 0x8d, 0xa4, 0x24, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0})); // lea rsp, [rsp]
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0x48, 0x8d, 0xa4, 0x24, 8, 0, 0, 0, 0xc3}));          // lea rsp, [rsp+8]
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{}));
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0x90}));                         // cut off
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0x06, 0xc3}));                   // undefined
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0x53, 0xc3}));                   // push
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0x5b, 0xc3}));                   // pop
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0x48, 0x83, 0xc4, 0x28, 0xc3})); // add rsp
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0x48, 0x89, 0xec, 0xc3}));       // mov rsp, rbp
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0xc9, 0xc3}));                   // leave
    EXPECT_FALSE(looks_like_leaf_x64(Bytes{0xe8, 0, 0, 0, 0, 0xc3}));       // call
    EXPECT_FALSE(looks_like_leaf_x64(Bytes(1000, 0x90)));                   // without end
}

} // namespace
} // namespace suture::patch
