#include "engine/isa/arm64/movable.hpp"
#include "tests/engine/isa/arm64/code.hpp"

#include <gtest/gtest.h>

namespace suture::isa::arm64 {
namespace {

using test::code;

struct Case {
    std::uint32_t word; ///< as llvm-mc encodes the text
    const char* text;
};

TEST(Arm64Movable, TakesWhatFunctionsStartWith) {
    for (const auto& [word, text] : std::initializer_list<Case>{
             {0xd503233f, "paciasp"},
             {0xd503237f, "pacibsp"},
             {0xd503245f, "bti c"},
             {0xd503201f, "nop"},
             {0xa9be7bfd, "stp x29, x30, [sp, #-0x20]!"},
             {0xd10083ff, "sub sp, sp, #0x20"},
             {0x52800020, "mov w0, #1"},
             {0xb0000028, "adrp x8, .+0x5000"},
             {0x10000008, "adr x8, ."},
             {0x58000050, "ldr x16, .+8"},
             {0x9c000081, "ldr q1, .+16"},
             {0x14000000, "b ."},
             {0x94000010, "bl .+0x40"},
             {0x35000100, "cbnz w0, .+0x20"},
             {0x36fbffe5, "tbz w5, #31, .+0x7ffc"},
             {0xd63f0100, "blr x8"},
             {0xd63f091f, "blraaz x8"},
             {0xd73f0909, "blraa x8, x9"},
             {0xd61f0100, "br x8"},
             {0xd61f091f, "braaz x8"},
             {0xd71f0909, "braa x8, x9"},
             {0xd65f03c0, "ret"},
             {0xd65f0bff, "retaa"},
             {0xd65f0fff, "retab"},
             {0x48207c82, "casp x0, x1, x2, x3, [x4]"},
             {0xc8a07c81, "cas x0, x1, [x4]"},
             {0xc8dffc20, "ldar x0, [x1]"},
             {0xc89ffc20, "stlr x0, [x1]"},
             {0xd43e0000, "brk #0xf000"},
             {0xd4000001, "svc #0"},
             {0xc0000000, "an instruction of SME"},
         })
        EXPECT_TRUE(check_movable(code({word}))) << text;
}

TEST(Arm64Movable, RefusesWhatIsTiedToItsPlace) {
    for (const auto& [word, text] : std::initializer_list<Case>{
             {0x00000000, "udf #0"},
             {0x00001234, "udf #0x1234"},
             {0x02000000, "unallocated"},
             {0x06000000, "unallocated"},
             {0xc85f7c20, "ldxr x0, [x1]"},
             {0x885ffc20, "ldaxr w0, [x1]"},
             {0xc87f0440, "ldxp x0, x1, [x2]"},
             {0x085ffc20, "ldaxrb w0, [x1]"},
             {0xc8027c20, "stxr w2, x0, [x1]"},
             {0xc8228c20, "stlxp w2, x0, x3, [x1]"},
             {0x19010440, "cpyfp [x0]!, [x1]!, x2!"},
             {0x1d010440, "cpyp [x0]!, [x1]!, x2!"},
             {0x19c20420, "setp [x0]!, x1!, x2"},
             {0x0420bc20, "movprfx z0, z1"},
             {0x04112020, "movprfx z0.b, p0/m, z1.b"},
             {0xd50324ff, "pacm"},
             {0xdac1a3fe, "paciasppc"},
             {0xdac1a7fe, "pacibsppc"},
             {0xdac183fe, "pacnbiasppc"},
             {0xdac187fe, "pacnbibsppc"},
             {0xf380001f, "autiasppc ."},
             {0xdac1907e, "autiasppcr x3"},
             {0xdac1947e, "autibsppcr x3"},
             {0x5500001f, "retaasppc ."},
             {0xd65f0be3, "retaasppcr x3"},
             {0x74000000, "cbgt w0, w0, ."},
             {0xdc000000, "an undefined load of a literal"},
             {0xd63f03c0, "blr x30"},
             {0xd63f0bdf, "blraaz x30"},
             {0xd73f091e, "blraa x8, x30"},
             {0xd69f03e0, "eret"},
             {0xd6bf03e0, "drps"},
             {0xd61f0101, "undefined: br with a modifier"},
             {0x58000000, "ldr x0, ."},
             {0x58ffffe0, "ldr x0, .-4"},
             {0x9cffffa0, "ldr q0, .-12"},
             {0x1c000000, "ldr s0, ."},
             {0x5800005f, "ldr xzr, .+8"},
             {0x9000001f, "adrp xzr, ."},
             {0x1000001f, "adr xzr, ."},
         }) {
        const auto result = check_movable(code({word}));
        ASSERT_FALSE(result) << text;
        EXPECT_EQ(result.error().code(), Code::site_unproved) << text;
    }
}

TEST(Arm64Movable, LiteralsBesideTheEntryAreNoneOfIt) {
    EXPECT_TRUE(check_movable(code({0x58000020}))); // ldr x0, .+4
    EXPECT_TRUE(check_movable(code({0x58ffffc0}))); // ldr x0, .-8
    EXPECT_TRUE(check_movable(code({0x18ffffe0}))); // ldr w0, .-4
    EXPECT_TRUE(check_movable(code({0x9cffff80}))); // ldr q0, .-16
    EXPECT_TRUE(check_movable(code({0xd8000000}))); // prfm pldl1keep, .
}

TEST(Arm64Movable, IsOneInstruction) {
    EXPECT_FALSE(check_movable({}));
    EXPECT_FALSE(check_movable(Bytes{0x1f, 0x20, 0x03}));
    EXPECT_FALSE(check_movable(code({kNop, kNop})));
}

} // namespace
} // namespace suture::isa::arm64
