#include "engine/isa/x64/common_form.hpp"
#include "patchgen/program/x64/step_forms.hpp"

#include <gtest/gtest.h>

#include <array>

namespace suture::program::x64 {
namespace {

constexpr Rva kAt{0x10000000};
constexpr std::uint32_t kOffset = 0x40;
constexpr std::size_t kMostWrong = 16;

/// Calls `found` for an instruction of every prefix, opcode and operand, with `number` in all bytes of its numbers.
template <class Found>
void each_instruction(std::uint8_t number, const Found& found) {
    constexpr std::array<std::uint8_t, 7> kSib{0x00, 0x0d, 0x24, 0x25, 0x65, 0x9a, 0xc4};
    for (const int prefix : {0, 0x66, 0xf2, 0xf3})
        for (const int rex : {0, 0x40, 0x41, 0x42, 0x44, 0x48, 0x4f})
            for (int two_bytes = 0; two_bytes < 2; ++two_bytes)
                for (unsigned opcode = 0; opcode < 256; ++opcode)
                    for (unsigned modrm = 0; modrm < 256; ++modrm)
                        for (const std::uint8_t sib : kSib) {
                            std::array<std::uint8_t, 15> code{};
                            code.fill(number);
                            std::size_t at = 0;
                            if (prefix != 0)
                                code[at++] = static_cast<std::uint8_t>(prefix);
                            if (rex != 0)
                                code[at++] = static_cast<std::uint8_t>(rex);
                            if (two_bytes != 0)
                                code[at++] = 0x0f;
                            code[at++] = static_cast<std::uint8_t>(opcode);
                            code[at++] = static_cast<std::uint8_t>(modrm);
                            const bool has_sib = modrm >> 6 != 3 && (modrm & 7) == 4;
                            if (has_sib)
                                code[at++] = sib;
                            found(ByteView(code));
                            if (!has_sib)
                                break;
                        }
}

TEST(StepFormsTest, TellOfEveryInstructionWhatDecodingItTells) {
    std::size_t common = 0, wrong = 0;
    // What is kept of one instruction serves for others, with other numbers and registers.
    for (const int number : {0x11, 0xf2, 0x80})
        each_instruction(static_cast<std::uint8_t>(number), [&](ByteView code) {
            if (wrong > kMostWrong || isa::x64::common_form(code).head == 0)
                return;
            std::array<std::uint8_t, 15> like{};
            std::ranges::copy(code, like.begin());
            for (std::size_t i = isa::x64::common_form(code).head; i < like.size(); ++i)
                like[i] ^= 0xa5;
            std::vector<Step> steps;
            ASSERT_TRUE(add_step(like, kAt, 0, steps));
            ASSERT_TRUE(add_step(code, kAt + kOffset, kOffset, steps));
            const auto decoded = decode_step(code, kAt + kOffset, kOffset);
            ASSERT_TRUE(decoded);
            ++common;
            const bool same = decoded->step == steps.back();
            EXPECT_TRUE(same) << std::hex << testing::PrintToString(Bytes(code.begin(), code.end()));
            wrong += !same;
        });
    EXPECT_GT(common, 500'000u);
}

TEST(StepFormsTest, LeaveWhatIsNotCommonToTheDecoder) {
    const std::array<std::uint8_t, 5> vector{0xc5, 0xf9, 0x7e, 0xc0, 0x90}; // vmovd eax, xmm0
    ASSERT_EQ(isa::x64::common_form(vector).head, 0);
    std::vector<Step> steps;
    ASSERT_TRUE(add_step(vector, kAt, kOffset, steps));
    EXPECT_EQ(steps.back().length, 4);
    EXPECT_EQ(steps.back().written, 1);
    EXPECT_FALSE(add_step(std::array<std::uint8_t, 1>{0x06}, kAt, kOffset, steps)); // none in 64-bit mode
    EXPECT_EQ(steps.size(), 1u);
}

} // namespace
} // namespace suture::program::x64
