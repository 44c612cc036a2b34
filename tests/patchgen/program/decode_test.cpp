#include "patchgen/program/x64/decode.hpp"

#include <gmock/gmock.h>

namespace suture::program::x64 {
namespace {

using testing::ElementsAre;

DecodedCode decoded(const Bytes& bytes, End end) {
    return decode({.begin = Rva{0x1000}, .bytes = bytes, .end = end, .image_base = {}, .image_size = 0x10000});
}

TEST(DecodeTest, LeavesOutFillBehindATerminator) {
    for (const Bytes& fill :
         {Bytes{0xcc, 0xcc}, Bytes{0x90}, Bytes{0x66, 0x90}, Bytes{0x0f, 0x1f, 0x44, 0x00, 0x00}, Bytes{0, 0, 0}}) {
        Bytes bytes{0x31, 0xc0, 0xc3}; // xor eax, eax; ret
        bytes.insert(bytes.end(), fill.begin(), fill.end());
        const auto code = decoded(bytes, End::trimmed);
        EXPECT_EQ(code.undecoded, "");
        EXPECT_EQ(code.size, 3u);
        EXPECT_TRUE(code.ends_in_terminator);
        EXPECT_THAT(code.instructions, ElementsAre(0, 2));
    }
}

TEST(DecodeTest, KeepsTheReturnAddressOfALastCall) {
    const auto code = decoded({0xe8, 0x00, 0x01, 0x00, 0x00, 0x90, 0x90}, End::trimmed);
    EXPECT_EQ(code.size, 6u);
    EXPECT_FALSE(code.ends_in_terminator);
    EXPECT_FALSE(code.runs_on);
}

TEST(DecodeTest, EndsByFlowBehindTheLastBranch) {
    // jz over a ret; ret; ret; int3...; something else
    const auto code = decoded({0x74, 0x01, 0xc3, 0xc3, 0xcc, 0x06}, End::flow);
    EXPECT_EQ(code.undecoded, "");
    EXPECT_EQ(code.size, 4u);
}

TEST(DecodeTest, RefusesABranchIntoAnInstruction) {
    const auto code = decoded({0x74, 0x01, 0xb8, 1, 2, 3, 4, 0xc3}, End::exact);
    EXPECT_THAT(code.undecoded, testing::HasSubstr("middle of an instruction at 0x1000"));
}

TEST(DecodeTest, RefusesReferencesOutOfTheImage) {
    EXPECT_THAT(decoded({0xe9, 0, 0, 0, 0x70}, End::exact).undecoded, testing::HasSubstr("out of the image"));
    EXPECT_THAT(decoded({0x8b, 0x05, 0, 0, 0, 0x70, 0xc3}, End::exact).undecoded,
                testing::HasSubstr("out of the image"));
}

TEST(DecodeTest, RefusesAnInstructionThatIsCutOff) {
    EXPECT_NE(decoded({0xb8, 0x01}, End::exact).undecoded, "");
}

TEST(FillTest, IsInt3AndNopsOfAnyLength) {
    for (const Bytes& fill :
         {Bytes{}, Bytes{0xcc}, Bytes{0x90, 0x90}, Bytes{0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}})
        EXPECT_TRUE(is_fill(fill));
    for (const Bytes& other : {Bytes{0}, Bytes{0xc3}, Bytes{0x0f, 0x1f}, Bytes{0x90, 0x48}, Bytes{0x66, 0x89, 0xc0}})
        EXPECT_FALSE(is_fill(other));
}

} // namespace
} // namespace suture::program::x64
