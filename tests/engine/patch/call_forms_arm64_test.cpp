#include "engine/patch/call_forms_arm64.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::patch {
namespace {

struct Case {
    std::uint32_t word; ///< as llvm-mc encodes the text
    const char* text;
};

Bytes code(std::initializer_list<std::uint32_t> words) {
    Bytes bytes;
    for (const std::uint32_t word : words)
        test::append(bytes, word);
    return bytes;
}

constexpr std::uint32_t kRet = 0xd65f03c0;

TEST(CallFormsArm64, KnowEveryCall) {
    for (const auto& [word, text] : std::initializer_list<Case>{{0x94000000, "bl ."},
                                                                {0x97ffffff, "bl .-4"},
                                                                {0xd63f0100, "blr x8"},
                                                                {0xd63f03c0, "blr x30"},
                                                                {0xd63f091f, "blraaz x8"},
                                                                {0xd63f0d1f, "blrabz x8"},
                                                                {0xd73f0909, "blraa x8, x9"},
                                                                {0xd73f0d1f, "blrab x8, sp"}})
        EXPECT_TRUE(is_call_arm64(word)) << text;
}

TEST(CallFormsArm64, TakeNothingElseForOne) {
    for (const auto& [word, text] : std::initializer_list<Case>{{0x14000000, "b ."},
                                                                {0xd61f0100, "br x8"},
                                                                {0xd61f091f, "braaz x8"},
                                                                {0xd71f0909, "braa x8, x9"},
                                                                {kRet, "ret"},
                                                                {0xd65f0bff, "retaa"},
                                                                {0x54000000, "b.eq ."},
                                                                {0xb4000000, "cbz x0, ."},
                                                                {0xd4000001, "svc #0"},
                                                                {0xd43e0000, "brk #0xf000"},
                                                                {0xd63f0101, "undefined: blr with a modifier"},
                                                                {0, "udf"}})
        EXPECT_FALSE(is_call_arm64(word)) << text;
}

TEST(CallFormsArm64, KnowALeafByWhatItDoesBeforeItLeaves) {
    for (const std::uint32_t leaving :
         {kRet, 0xd65f0bffu, 0xd65f0fffu, 0x14000010u, 0xd61f0200u, 0xd61f091fu, 0xd71f0909u})
        EXPECT_TRUE(looks_like_leaf_arm64(code({0x8b010000, leaving, 0}))) << std::hex << leaving; // add x0, x0, x1
    for (const auto& [word, text] : std::initializer_list<Case>{{0xeb01001f, "cmp x0, x1"},
                                                                {0xf100041f, "cmp x0, #1"},
                                                                {0xf2400c1f, "tst x0, #0xf"},
                                                                {0xd503201f, "nop"},
                                                                {0xf90007e0, "str x0, [sp, #8]"},
                                                                {0xf94007e0, "ldr x0, [sp, #8]"},
                                                                {0xa9400fe2, "ldp x2, x3, [sp]"},
                                                                {0xf8408420, "ldr x0, [x1], #8"},
                                                                {0x910043e0, "add x0, sp, #16"},
                                                                {0x54000040, "b.eq .+8"},
                                                                {0xa8c10c22, "ldp x2, x3, [x1], #16"}})
        EXPECT_TRUE(looks_like_leaf_arm64(code({word, kRet}))) << text;
}

TEST(CallFormsArm64, TakeNoCodeForALeafThatMovesTheStackOrUsesTheLinkRegister) {
    for (const auto& [word, text] : std::initializer_list<Case>{{0x94000010, "bl .+0x40"},
                                                                {0xd63f0100, "blr x8"},
                                                                {0xd10083ff, "sub sp, sp, #0x20"},
                                                                {0x910083ff, "add sp, sp, #0x20"},
                                                                {0x910003bf, "mov sp, x29"},
                                                                {0xcb2c73ff, "sub sp, sp, x12, uxtx #4"},
                                                                {0x927cec1f, "and sp, x0, #~0xf"},
                                                                {0xa9be7bfd, "stp x29, x30, [sp, #-0x20]!"},
                                                                {0xa8c27bfd, "ldp x29, x30, [sp], #0x20"},
                                                                {0xa9c10be1, "ldp x1, x2, [sp, #16]!"},
                                                                {0x6dbf27e8, "stp d8, d9, [sp, #-0x10]!"},
                                                                {0xf81f0ff3, "str x19, [sp, #-16]!"},
                                                                {0xf84107f3, "ldr x19, [sp], #16"},
                                                                {0xf94007fe, "ldr x30, [sp, #8]"},
                                                                {0xa9407bf3, "ldp x19, x30, [sp]"},
                                                                {0xaa0903fe, "mov x30, x9"},
                                                                {0, "udf"}})
        EXPECT_FALSE(looks_like_leaf_arm64(code({word, kRet}))) << text;
    EXPECT_FALSE(looks_like_leaf_arm64({}));
    EXPECT_FALSE(looks_like_leaf_arm64(code({0x8b010000})));
    EXPECT_FALSE(looks_like_leaf_arm64(Bytes{0xc0, 0x03, 0x5f}));
    EXPECT_FALSE(looks_like_leaf_arm64(Bytes(4096, 0x1f))); // without an end
}

} // namespace
} // namespace suture::patch
