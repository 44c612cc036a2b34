#include "patchgen/program/arm64/instruction.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace suture::program::arm64 {
namespace {

std::uint32_t mask(std::initializer_list<int> registers) {
    std::uint32_t made = 0;
    for (const int reg : registers)
        made |= 1u << reg;
    return made;
}

struct Relative {
    std::uint32_t word;
    Operation operation;
    Field field;
    std::int64_t distance;
};

TEST(InstructionTest, KnowsEveryFormThatIsRelativeToItsAddress) {
    for (const Relative& form : {
             Relative{0x14000002, Operation::branch, Field::branch26, 8},       // b #8
             Relative{0x17ffffff, Operation::branch, Field::branch26, -4},      // b #-4
             Relative{0x94000002, Operation::call, Field::branch26, 8},         // bl #8
             Relative{0x54000048, Operation::conditional, Field::branch19, 8},  // b.hi #8
             Relative{0x54000051, Operation::conditional, Field::branch19, 8},  // bc.ne #8
             Relative{0xb4000043, Operation::conditional, Field::branch19, 8},  // cbz x3, #8
             Relative{0x35ffffe3, Operation::conditional, Field::branch19, -4}, // cbnz w3, #-4
             Relative{0x36080043, Operation::conditional, Field::branch14, 8},  // tbz w3, #1, #8
             Relative{0xb70fffe3, Operation::conditional, Field::branch14, -4}, // tbnz x3, #33, #-4
             Relative{0x10000049, Operation::adr, Field::adr21, 8},             // adr x9, #8
             Relative{0x70ffffe9, Operation::adr, Field::adr21, -1},            // adr x9, #-1
             Relative{0xb0000009, Operation::adrp, Field::page21, 0x1000},      // adrp x9, #0x1000
             Relative{0xf0ffffe9, Operation::adrp, Field::page21, -0x1000},     // adrp x9, #-0x1000
             Relative{0x18000049, Operation::literal, Field::literal19, 8},     // ldr w9, #8
             Relative{0x58000049, Operation::literal, Field::literal19, 8},     // ldr x9, #8
             Relative{0x98000049, Operation::literal, Field::literal19, 8},     // ldrsw x9, #8
             Relative{0xd8000040, Operation::literal, Field::literal19, 8},     // prfm pldl1keep, #8
             Relative{0x1c000049, Operation::literal, Field::literal19, 8},     // ldr s9, #8
             Relative{0x9c000049, Operation::literal, Field::literal19, 8},     // ldr q9, #8
         }) {
        const auto made = instruction_of(form.word);
        EXPECT_EQ(made.operation, form.operation) << std::hex << form.word;
        EXPECT_EQ(made.field, form.field) << std::hex << form.word;
        EXPECT_EQ(made.value, form.distance) << std::hex << form.word;
    }
}

TEST(InstructionTest, KnowsHowManyBytesALiteralHas) {
    EXPECT_EQ(instruction_of(0x18000049).access, 4);  // ldr w9, #8
    EXPECT_EQ(instruction_of(0x58000049).access, 8);  // ldr x9, #8
    EXPECT_EQ(instruction_of(0x98000049).access, 4);  // ldrsw x9, #8
    EXPECT_EQ(instruction_of(0xd8000040).access, 0);  // prfm pldl1keep, #8
    EXPECT_EQ(instruction_of(0x9c000049).access, 16); // ldr q9, #8
}

struct OnPage {
    std::uint32_t word;
    std::int64_t offset;
    std::uint8_t access;
    bool stores;
};

TEST(InstructionTest, ScalesTheOffsetsOfLoadsAndStores) {
    for (const OnPage& form : {
             OnPage{0x39400509, 1, 1, false},      // ldrb w9, [x8, #1]
             OnPage{0x79000509, 2, 2, true},       // strh w9, [x8, #2]
             OnPage{0xb9800509, 4, 4, false},      // ldrsw x9, [x8, #4]
             OnPage{0xf9000509, 8, 8, true},       // str x9, [x8, #8]
             OnPage{0xf97ffd09, 0x7ff8, 8, false}, // ldr x9, [x8, #0x7ff8]
             OnPage{0xbd400500, 4, 4, false},      // ldr s0, [x8, #4]
             OnPage{0x3dc00500, 16, 16, false},    // ldr q0, [x8, #16]
             OnPage{0x3d800500, 16, 16, true},     // str q0, [x8, #16]
             OnPage{0xf9800500, 8, 8, false},      // prfm pldl1keep, [x8, #8]
         }) {
        const auto made = instruction_of(form.word);
        EXPECT_EQ(made.operation, Operation::memory) << std::hex << form.word;
        EXPECT_EQ(made.rn, 8) << std::hex << form.word;
        EXPECT_EQ(made.value, form.offset) << std::hex << form.word;
        EXPECT_EQ(made.access, form.access) << std::hex << form.word;
        EXPECT_EQ(made.stores, form.stores) << std::hex << form.word;
    }
}

TEST(InstructionTest, TakesOnlyAnAdditionIn64BitsWithoutShiftOrFlagsForAnOffsetInAPage) {
    EXPECT_EQ(instruction_of(0x91001508).operation, Operation::add); // add x8, x8, #5
    EXPECT_EQ(instruction_of(0x91001508).value, 5);
    EXPECT_EQ(instruction_of(0x11001508).operation, Operation::other);   // add w8, w8, #5
    EXPECT_EQ(instruction_of(0x91401508).operation, Operation::other);   // add x8, x8, #5, lsl #12
    EXPECT_EQ(instruction_of(0xb1001508).operation, Operation::other);   // adds x8, x8, #5
    EXPECT_EQ(instruction_of(0xd1001508).operation, Operation::other);   // sub x8, x8, #5
    EXPECT_EQ(instruction_of(0x910017e8).operation, Operation::other);   // add x8, sp, #5
    EXPECT_EQ(instruction_of(0xf100151f).operation, Operation::compare); // cmp x8, #5
}

struct Ending {
    std::uint32_t word;
    Operation operation;
};

TEST(InstructionTest, KnowsWhereCodeDoesNotGoOn) {
    for (const Ending& form : {
             Ending{0xd65f03c0, Operation::terminator},    // ret
             Ending{0xd65f0bff, Operation::terminator},    // retaa
             Ending{0xd65f0fff, Operation::terminator},    // retab
             Ending{0xd69f03e0, Operation::terminator},    // eret
             Ending{0xd4200020, Operation::terminator},    // brk #1
             Ending{0xd43e0060, Operation::terminator},    // brk #0xf003
             Ending{0x00000000, Operation::terminator},    // udf #0
             Ending{0xd43e0000, Operation::breakpoint},    // brk #0xf000
             Ending{0xd4000061, Operation::breakpoint},    // svc #3
             Ending{0xd61f0100, Operation::jump_register}, // br x8
             Ending{0xd61f091f, Operation::jump_register}, // braaz x8
             Ending{0xd71f0909, Operation::jump_register}, // braa x8, x9
             Ending{0xd63f0100, Operation::call_register}, // blr x8
             Ending{0xd503201f, Operation::nop},           // nop
             Ending{0xd503245f, Operation::other},         // bti c
         })
        EXPECT_EQ(instruction_of(form.word).operation, form.operation) << std::hex << form.word;
}

struct Effect {
    std::uint32_t word;
    std::uint32_t reads;
    std::uint32_t written;
};

TEST(InstructionTest, KnowsWhichRegistersAreReadAndWritten) {
    for (const Effect& form : {
             Effect{0xaa0903e8, mask({9}), mask({8})},               // mov x8, x9
             Effect{0x8b2a4d28, mask({9, 10}), mask({8})},           // add x8, x9, w10, uxtw #3
             Effect{0xf2a00028, mask({8}), mask({8})},               // movk x8, #1, lsl #16
             Effect{0x52800028, 0, mask({8})},                       // mov w8, #1
             Effect{0xb3401d28, mask({8, 9}), mask({8})},            // bfxil x8, x9, #0, #8
             Effect{0x9b0a2d28, mask({9, 10, 11}), mask({8})},       // madd x8, x9, x10, x11
             Effect{0x9b4a7d28, mask({9, 10}), mask({8})},           // smulh x8, x9, x10
             Effect{0x9a8a1128, mask({9, 10}), mask({8})},           // csel x8, x9, x10, ne
             Effect{0xfa4a1120, mask({9, 10}), 0},                   // ccmp x9, x10, #0, ne
             Effect{0xdac01128, mask({9}), mask({8})},               // clz x8, x9
             Effect{0xa8c12528, mask({9}), mask({8, 9})},            // ldp x8, x9, [x9], #16
             Effect{0xa9bf2528, mask({8, 9}), mask({9})},            // stp x8, x9, [x9, #-16]!
             Effect{0xac012520, mask({9}), 0},                       // stnp q0, q9, [x9, #32]
             Effect{0xf86a6928, mask({9, 10}), mask({8})},           // ldr x8, [x9, x10]
             Effect{0xf8408528, mask({9}), mask({8, 9})},            // ldr x8, [x9], #8
             Effect{0xf8288d28, mask({9}), mask({8, 9})},            // ldraa x8, [x9, #1088]!
             Effect{0xc8087d2a, mask({9, 10}), mask({8})},           // stxr w8, x10, [x9]
             Effect{0x885ffd28, mask({9}), mask({8})},               // ldaxr w8, [x9]
             Effect{0xc8a87d2a, mask({8, 9, 10}), mask({8})},        // cas x8, x10, [x9]
             Effect{0x48687d2a, mask({8, 9, 10, 11}), mask({8, 9})}, // caspa x8, x9, x10, x11, [x9]
             Effect{0xf8280129, mask({8, 9}), mask({9})},            // ldadd x8, x9, [x9]
             Effect{0x4cdf7120, mask({9}), mask({9})},               // ld1 { v0.16b }, [x9], #16
             Effect{0x4cca7120, mask({9, 10}), mask({9})},           // ld1 { v0.16b }, [x9], x10
             Effect{0x9e670128, mask({9}), 0},                       // fmov d8, x9
             Effect{0x9e660128, 0, mask({8})},                       // fmov x8, d9
             Effect{0x1e380128, 0, mask({8})},                       // fcvtzs w8, s9
             Effect{0x4e081d28, mask({9}), 0},                       // mov v8.d[0], x9
             Effect{0x4e083d28, 0, mask({8})},                       // mov x8, v9.d[0]
             Effect{0x1e602128, 0, 0},                               // fcmp d9, #0.0
             Effect{0xd53bd048, 0, mask({8})},                       // mrs x8, tpidr_el0
             Effect{0xd503233f, mask({30}), mask({30})},             // paciasp
         }) {
        const auto made = instruction_of(form.word);
        EXPECT_NE(made.operation, Operation::invalid) << std::hex << form.word;
        EXPECT_EQ(made.reads, form.reads) << std::hex << form.word;
        EXPECT_EQ(made.written, form.written) << std::hex << form.word;
    }
}

TEST(InstructionTest, KnowsWhatIsNone) {
    for (const std::uint32_t word : {
             0xffffffffu, // all ones
             0x00010000u, // behind the range of UDF
             0x12400c00u, // a mask of 64 bits in 32
             0x9240fc00u, // a mask that is all ones
             0x52c00000u, // movz w0, shifted by 32
             0x33208000u, // a field outside 32 bits
             0x55000050u, // no condition
             0xd4200001u, // brk of another level
             0xdc000000u, // a literal of 32 bytes
             0xe9400000u, // a pair of no size
             0x8b2a5528u, // add, extended and shifted by 5
             0xd61f0101u, // br with a field that is 0
         })
        EXPECT_EQ(instruction_of(word).operation, Operation::invalid) << std::hex << word;
}

TEST(InstructionTest, TakesTheIndexOfAnEntryApart) {
    const auto bytes = instruction_of(0x38686929); // ldrb w9, [x9, x8]
    EXPECT_EQ(bytes.operation, Operation::indexed_load);
    EXPECT_EQ(bytes.access, 1);
    EXPECT_FALSE(bytes.is_signed);
    const auto words = instruction_of(0xb8a85929); // ldrsw x9, [x9, w8, uxtw #2]
    EXPECT_EQ(words.operation, Operation::indexed_load);
    EXPECT_EQ(words.rn, 9);
    EXPECT_EQ(words.rm, 8);
    EXPECT_EQ(words.shift, 2);
    EXPECT_TRUE(words.is_signed);
    EXPECT_TRUE(words.wide);
    const auto sum = instruction_of(0x8b298940); // add x0, x10, w9, sxtb #2
    EXPECT_EQ(sum.operation, Operation::add_register);
    EXPECT_EQ(sum.access, 1);
    EXPECT_EQ(sum.shift, 2);
    EXPECT_TRUE(sum.is_signed);
}

} // namespace
} // namespace suture::program::arm64
