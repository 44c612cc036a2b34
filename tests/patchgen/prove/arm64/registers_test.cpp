#include "patchgen/prove/arm64/instruction.hpp"

#include <gtest/gtest.h>

namespace suture::prove::arm64 {
namespace {

struct Line {
    std::uint32_t word;
    std::vector<std::uint32_t> reads;
    std::vector<std::uint32_t> writes;
};

const std::vector<Line> kLines{
    {0x91000c41, {2}, {1}},       // add x1, x2, #3
    {0x71000c41, {2}, {1}},       // subs w1, w2, #3
    {0x910043ff, {}, {}},         // add sp, sp, #16
    {0x92400841, {2}, {1}},       // and x1, x2, #7
    {0xd2800021, {}, {1}},        // movz x1, #1
    {0xf2a00021, {1}, {1}},       // movk x1, #1, lsl #16
    {0xd3431841, {2}, {1}},       // ubfx x1, x2, #3, #4
    {0xb37d0c41, {1, 2}, {1}},    // bfi x1, x2, #3, #4
    {0x93c31041, {2, 3}, {1}},    // extr x1, x2, x3, #4
    {0x10000021, {}, {1}},        // adr x1, #4
    {0xb0000001, {}, {1}},        // adrp x1, #4096
    {0x14000001, {}, {}},         // b #4
    {0x94000001, {}, {30}},       // bl #4
    {0x54000020, {}, {}},         // b.eq #4
    {0xb5000021, {1}, {}},        // cbnz x1, #4
    {0xb6400021, {1}, {}},        // tbz x1, #40, #4
    {0xd61f0020, {1}, {}},        // br x1
    {0xd63f0020, {1}, {30}},      // blr x1
    {0xd65f03c0, {30}, {}},       // ret
    {0xd43e0060, {0}, {}},        // brk #0xf003
    {0xd4200020, {}, {}},         // brk #1
    {0xd503201f, {}, {}},         // nop
    {0xd503237f, {30}, {}},       // pacibsp
    {0xdac123e1, {1}, {1}},       // paciza x1
    {0xd5033bbf, {}, {}},         // dmb ish
    {0xd53bd041, {}, {1}},        // mrs x1, tpidr_el0
    {0xd51bd041, {1}, {}},        // msr tpidr_el0, x1
    {0xd50b7421, {1}, {}},        // dc zva, x1
    {0xc85f7c41, {2}, {1}},       // ldxr x1, [x2]
    {0xc803fc41, {1, 2}, {3}},    // stlxr w3, x1, [x2]
    {0xc87f1041, {2}, {1, 4}},    // ldxp x1, x4, [x2]
    {0xc8231041, {1, 2, 4}, {3}}, // stxp w3, x1, x4, [x2]
    {0xc8dffc41, {2}, {1}},       // ldar x1, [x2]
    {0xc89ffc41, {1, 2}, {}},     // stlr x1, [x2]
    {0xc8a37c41, {1, 2, 3}, {3}}, // cas x3, x1, [x2]
    {0xf8e38041, {2, 3}, {1}},    // swpal x3, x1, [x2]
    {0xb8e30041, {2, 3}, {1}},    // ldaddal w3, w1, [x2]
    {0xa9411041, {2}, {1, 4}},    // ldp x1, x4, [x2, #16]
    {0xa8c11041, {2}, {1, 2, 4}}, // ldp x1, x4, [x2], #16
    {0xa9bf1041, {1, 2, 4}, {2}}, // stp x1, x4, [x2, #-16]!
    {0xa9bf7bfd, {29, 30}, {}},   // stp x29, x30, [sp, #-16]!
    {0x69401041, {2}, {1, 4}},    // ldpsw x1, x4, [x2]
    {0xad411041, {2}, {}},        // ldp q1, q4, [x2, #32]
    {0x6c811041, {2}, {2}},       // stp d1, d4, [x2], #16
    {0xf9400441, {2}, {1}},       // ldr x1, [x2, #8]
    {0x39c02041, {2}, {1}},       // ldrsb w1, [x2, #8]
    {0xf9000441, {1, 2}, {}},     // str x1, [x2, #8]
    {0x3dc00441, {2}, {}},        // ldr q1, [x2, #16]
    {0xf8408441, {2}, {1, 2}},    // ldr x1, [x2], #8
    {0xf8008c41, {1, 2}, {2}},    // str x1, [x2, #8]!
    {0xf85f8041, {2}, {1}},       // ldur x1, [x2, #-8]
    {0xf8637841, {2, 3}, {1}},    // ldr x1, [x2, x3, lsl #3]
    {0xb8234841, {1, 2, 3}, {}},  // str w1, [x2, w3, uxtw]
    {0xfc636841, {2, 3}, {}},     // ldr d1, [x2, x3]
    {0xf9800440, {2}, {}},        // prfm pldl1keep, [x2, #8]
    {0xf8a36840, {2, 3}, {}},     // prfm pldl1keep, [x2, x3]
    {0x58000041, {}, {1}},        // ldr x1, #8
    {0x5c000041, {}, {}},         // ldr d1, #8
    {0xd9408041, {2}, {1}},       // ldapur x1, [x2, #8]
    {0xd9008041, {1, 2}, {}},     // stlur x1, [x2, #8]
    {0x4c407041, {2}, {}},        // ld1 { v1.16b }, [x2]
    {0x4cdf7041, {2}, {2}},       // ld1 { v1.16b }, [x2], #16
    {0x4c837041, {2, 3}, {2}},    // st1 { v1.16b }, [x2], x3
    {0x4d40c841, {2}, {}},        // ld1r { v1.4s }, [x2]
    {0x8a031041, {2, 3}, {1}},    // and x1, x2, x3, lsl #4
    {0xaa0203e1, {2}, {1}},       // mov x1, x2
    {0x8b234041, {2, 3}, {1}},    // add x1, x2, w3, uxtw
    {0xeb03005f, {2, 3}, {}},     // cmp x2, x3
    {0x9a030041, {2, 3}, {1}},    // adc x1, x2, x3
    {0xfa430040, {2, 3}, {}},     // ccmp x2, x3, #0, eq
    {0xfa430840, {2}, {}},        // ccmp x2, #3, #0, eq
    {0x9a830041, {2, 3}, {1}},    // csel x1, x2, x3, eq
    {0x1a9f17e1, {}, {1}},        // cset w1, eq
    {0x9ac30841, {2, 3}, {1}},    // udiv x1, x2, x3
    {0x9ac32041, {2, 3}, {1}},    // lslv x1, x2, x3
    {0xdac01041, {2}, {1}},       // clz x1, x2
    {0xdac00c41, {2}, {1}},       // rev x1, x2
    {0x9b031041, {2, 3, 4}, {1}}, // madd x1, x2, x3, x4
    {0x9b037c41, {2, 3}, {1}},    // mul x1, x2, x3
    {0x9bc37c41, {2, 3}, {1}},    // umulh x1, x2, x3
    {0x1ac34841, {2, 3}, {1}},    // crc32w w1, w2, w3
    {0x1e632841, {}, {}},         // fadd d1, d2, d3
    {0x1e622020, {}, {}},         // fcmp d1, d2
    {0x1e630c41, {}, {}},         // fcsel d1, d2, d3, eq
    {0x9e670041, {2}, {}},        // fmov d1, x2
    {0x9e660041, {}, {1}},        // fmov x1, d2
    {0x9eaf0041, {2}, {}},        // fmov v1.d[1], x2
    {0x1e620041, {2}, {}},        // scvtf d1, w2
    {0x9e43f041, {2}, {}},        // ucvtf d1, x2, #4
    {0x9e780041, {}, {1}},        // fcvtzs x1, d2
    {0x1e19f041, {}, {1}},        // fcvtzu w1, s2, #4
    {0x1e6e1001, {}, {}},         // fmov d1, #1.0
    {0x4e040c41, {2}, {}},        // dup v1.4s, w2
    {0x4e0c1c41, {2}, {}},        // mov v1.s[1], w2
    {0x6e0c0441, {}, {}},         // mov v1.s[1], v2.s[0]
    {0x0e073c41, {}, {1}},        // umov w1, v2.b[3]
    {0x4e0e2c41, {}, {1}},        // smov x1, v2.h[3]
    {0x4e040441, {}, {}},         // dup v1.4s, v2.s[0]
    {0x0e205841, {}, {}},         // cnt v1.8b, v2.8b
    {0x4ea38441, {}, {}},         // add v1.4s, v2.4s, v3.4s
    {0x4e284841, {}, {}},         // aese v1.16b, v2.16b
    {0x4f00e401, {}, {}},         // movi v1.16b, #0
    {0x4fa31041, {}, {}},         // fmla v1.4s, v2.4s, v3.s[1]
};

Registers set_of(const std::vector<std::uint32_t>& numbers) {
    Registers result = 0;
    for (const std::uint32_t number : numbers)
        result |= 1u << number;
    return result;
}

TEST(Registers, AreThoseThatTheInstructionUses) {
    for (const Line& line : kLines) {
        const RegisterUse use = registers_of(line.word);
        EXPECT_EQ(use.reads, set_of(line.reads)) << std::hex << line.word;
        EXPECT_EQ(use.writes, set_of(line.writes)) << std::hex << line.word;
    }
}

TEST(Registers, OfWhatIsNotKnownAreAllThatItsFieldsCouldName) {
    // casp x2, x3, x4, x5, [x6]; an SVE load; memory copies
    for (const std::uint32_t word : {0x48227cc4u, 0xa5e0a041u, 0x19010440u}) {
        const RegisterUse use = registers_of(word);
        for (const unsigned field : {0u, 5u, 10u, 16u}) {
            if ((word >> field & 31) != kZero) {
                EXPECT_TRUE(use.reads >> (word >> field & 31) & 1) << std::hex << word << " " << field;
            }
        }
        EXPECT_EQ(use.writes, 0u);
    }
}

} // namespace
} // namespace suture::prove::arm64
