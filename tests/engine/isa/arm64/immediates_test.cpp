#include "engine/isa/arm64/immediates.hpp"

#include <gtest/gtest.h>

#include <array>

namespace suture::isa::arm64 {
namespace {

struct Case {
    std::uint32_t word; ///< as llvm-mc encodes the text
    Form form;
    std::int64_t bytes;
    std::uint32_t step;
    const char* text;
};

constexpr std::array kCases{
    Case{0x15ffffff, Form::branch26, 0x7fffffc, 4, "b .+0x7fffffc"},
    Case{0x96000000, Form::branch26, -0x8000000, 4, "bl .-0x8000000"},
    Case{0x14000000, Form::branch26, 0, 4, "b ."},
    Case{0x547fffe1, Form::branch19, 0xffffc, 4, "b.ne .+0xffffc"},
    Case{0x54800010, Form::branch19, -0x100000, 4, "bc.eq .-0x100000"},
    Case{0x34000043, Form::branch19, 8, 4, "cbz w3, .+8"},
    Case{0xb5fffffe, Form::branch19, -4, 4, "cbnz x30, .-4"},
    Case{0x36fbffe5, Form::branch14, 0x7ffc, 4, "tbz w5, #31, .+0x7ffc"},
    Case{0xb7fc0011, Form::branch14, -0x8000, 4, "tbnz x17, #63, .-0x8000"},
    Case{0x707fffe1, Form::adr21, 0xfffff, 1, "adr x1, .+0xfffff"},
    Case{0x1080001e, Form::adr21, -0x100000, 1, "adr x30, .-0x100000"},
    Case{0x30000000, Form::adr21, 1, 1, "adr x0, .+1"},
    Case{0xb0000000, Form::adrp21, 0x1000, 0x1000, "adrp x0, .+0x1000"},
    Case{0xf07fffe3, Form::adrp21, 0xfffff000, 0x1000, "adrp x3, .+0xfffff000"},
    Case{0x90800010, Form::adrp21, -0x100000000, 0x1000, "adrp x16, .-0x100000000"},
    Case{0x187fffe7, Form::literal19, 0xffffc, 4, "ldr w7, .+0xffffc"},
    Case{0x58800010, Form::literal19, -0x100000, 4, "ldr x16, .-0x100000"},
    Case{0x98000022, Form::literal19, 4, 4, "ldrsw x2, .+4"},
    Case{0xd8000080, Form::literal19, 16, 4, "prfm pldl1keep, .+16"},
    Case{0x1c000101, Form::literal19, 32, 4, "ldr s1, .+32"},
    Case{0x5cffff02, Form::literal19, -32, 4, "ldr d2, .-32"},
    Case{0x9c000003, Form::literal19, 0, 4, "ldr q3, ."},
    Case{0x913ffc00, Form::add12, 0xfff, 1, "add x0, x0, #0xfff"},
    Case{0x110007e9, Form::add12, 1, 1, "add w9, wsp, #1"},
    Case{0x91401630, Form::add12, 0x5000, 0x1000, "add x16, x17, #5, lsl #12"},
    Case{0x397ffc20, Form::ldst12, 0xfff, 1, "ldrb w0, [x1, #0xfff]"},
    Case{0x39000420, Form::ldst12, 1, 1, "strb w0, [x1, #1]"},
    Case{0x39800820, Form::ldst12, 2, 1, "ldrsb x0, [x1, #2]"},
    Case{0x797ffc20, Form::ldst12, 0x1ffe, 2, "ldrh w0, [x1, #0x1ffe]"},
    Case{0x79c00c83, Form::ldst12, 6, 2, "ldrsh w3, [x4, #6]"},
    Case{0xb97ffc20, Form::ldst12, 0x3ffc, 4, "ldr w0, [x1, #0x3ffc]"},
    Case{0xb9800420, Form::ldst12, 4, 4, "ldrsw x0, [x1, #4]"},
    Case{0xf97ffc20, Form::ldst12, 0x7ff8, 8, "ldr x0, [x1, #0x7ff8]"},
    Case{0xf90007e2, Form::ldst12, 8, 8, "str x2, [sp, #8]"},
    Case{0xf9800420, Form::ldst12, 8, 8, "prfm pldl1keep, [x1, #8]"},
    Case{0x3d400c20, Form::ldst12, 3, 1, "ldr b0, [x1, #3]"},
    Case{0x7d400420, Form::ldst12, 2, 2, "ldr h0, [x1, #2]"},
    Case{0xbd400420, Form::ldst12, 4, 4, "ldr s0, [x1, #4]"},
    Case{0xfd000420, Form::ldst12, 8, 8, "str d0, [x1, #8]"},
    Case{0x3dfffc20, Form::ldst12, 0xfff0, 16, "ldr q0, [x1, #0xfff0]"},
    Case{0x3d80045f, Form::ldst12, 16, 16, "str q31, [x2, #16]"},
};

TEST(Arm64Immediates, ReadsEveryFormAsTheAssemblerWroteIt) {
    for (const Case& c : kCases) {
        ASSERT_EQ(form_of(c.word), c.form) << c.text;
        EXPECT_EQ(get(c.form, c.word), c.bytes) << c.text;
        EXPECT_EQ(step_of(c.form, c.word), c.step) << c.text;
    }
}

TEST(Arm64Immediates, WritesWhatItReadsAndNothingElseOfTheWord) {
    for (const Case& c : kCases) {
        EXPECT_EQ(put(c.form, c.word, c.bytes), c.word) << c.text;
        const auto cleared = put(c.form, c.word, 0);
        ASSERT_TRUE(cleared) << c.text;
        EXPECT_EQ(get(c.form, *cleared), 0) << c.text;
        EXPECT_EQ(put(c.form, *cleared, c.bytes), c.word) << c.text;
    }
}

TEST(Arm64Immediates, EndsOfEachRangeFitAndOneStepBeyondDoesNot) {
    for (const Case& c : kCases) {
        const unsigned bits = c.form == Form::branch26                                ? 26
                              : c.form == Form::branch14                              ? 14
                              : c.form == Form::adr21 || c.form == Form::adrp21       ? 21
                              : c.form == Form::branch19 || c.form == Form::literal19 ? 19
                                                                                      : 12;
        const bool is_signed = is_pc_relative(c.form);
        const std::int64_t step = c.step;
        const std::int64_t highest = ((std::int64_t{1} << (is_signed ? bits - 1 : bits)) - 1) * step;
        const std::int64_t lowest = is_signed ? -highest - step : 0;
        for (const std::int64_t bytes : {lowest, lowest + step, highest - step, highest}) {
            const auto word = put(c.form, c.word, bytes);
            ASSERT_TRUE(word) << c.text << " with " << bytes;
            EXPECT_EQ(get(c.form, *word), bytes) << c.text;
            EXPECT_EQ(form_of(*word), c.form) << c.text;
        }
        EXPECT_FALSE(put(c.form, c.word, highest + step)) << c.text;
        EXPECT_FALSE(put(c.form, c.word, lowest - step)) << c.text;
        EXPECT_FALSE(put(c.form, c.word, INT64_MAX)) << c.text;
        EXPECT_FALSE(put(c.form, c.word, INT64_MIN)) << c.text;
    }
}

TEST(Arm64Immediates, RefusesWhatIsNoWholeNumberOfSteps) {
    for (const Case& c : kCases) {
        if (c.step == 1)
            continue;
        EXPECT_FALSE(put(c.form, c.word, 1)) << c.text;
        EXPECT_FALSE(put(c.form, c.word, c.step / 2)) << c.text;
        EXPECT_FALSE(put(c.form, c.word, std::int64_t{c.step} + 1)) << c.text;
    }
}

TEST(Arm64Immediates, AnAdrpCountsFromItsPage) {
    const std::uint32_t word = 0xb0000000; // adrp x0, .+0x1000
    EXPECT_EQ(target_of(Form::adrp21, word, 0x180001ffc), 0x180002000u);
    EXPECT_EQ(target_of(Form::adr21, 0x30000000, 0x180001ffc), 0x180001ffdu);
    const auto aimed = aimed_at(Form::adrp21, word, 0x180001ffc, 0x180000abc);
    ASSERT_TRUE(aimed);
    EXPECT_EQ(*aimed, 0xf0ffffe0u); // adrp x0, .-0x1000
    EXPECT_EQ(target_of(Form::adrp21, *aimed, 0x180001000), 0x180000000u);
}

TEST(Arm64Immediates, ABranchAimedAtItsTargetLeadsThere) {
    const auto word = aimed_at(Form::branch26, 0x94000000, 0x180001000, 0x180000ffc);
    ASSERT_TRUE(word);
    EXPECT_EQ(*word, 0x97ffffffu);
    EXPECT_TRUE(is_call(*word));
    EXPECT_FALSE(is_call(0x14000000));
    EXPECT_FALSE(aimed_at(Form::branch26, 0x94000000, 0x180001000, 0x188001000));
    EXPECT_FALSE(aimed_at(Form::branch26, 0x94000000, 0x180001000, 0x180001002));
}

TEST(Arm64Immediates, OtherInstructionsAreOfNoForm) {
    constexpr std::array<std::uint32_t, 17> kOthers{
        0xd503201f, // nop
        0xd65f03c0, // ret
        0xd61f0200, // br x16
        0x31000400, // adds w0, w0, #1
        0x51000400, // sub w0, w0, #1
        0x91c00400, // reserved: add with a shift of 2
        0xa9bf7bfd, // stp x29, x30, [sp, #-16]!
        0xf8408c20, // ldr x0, [x1, #8]!
        0xf8606820, // ldr x0, [x1, x0]
        0xdc000000, // unallocated literal
        0xf9c00000, // unallocated load
        0xb9c00000, // unallocated load
        0x7dc00000, // unallocated: 128 bits with size 1
        0x55000000, // retaasppc
        0x74000000, // cbgt
        0x00000000, // udf
        0xd4200000, // brk
    };
    for (const std::uint32_t word : kOthers)
        EXPECT_FALSE(form_of(word)) << std::hex << word;
}

} // namespace
} // namespace suture::isa::arm64
