// Code that neither symbols nor unwind data list.
#include "tests/patchgen/program/fixtures.hpp"

namespace suture::program::test {
namespace {

/// The function whose first instruction loads `number`, or nullptr.
const Function* loading(const Program& program, std::uint32_t number) {
    for (const auto& function : program.functions())
        for (const std::uint32_t field : {1u, 2u})
            if (program.image().read<std::uint32_t>(function.range.begin + field) == number)
                return &function;
    return nullptr;
}

TEST(Reached, AFunctionEndsBehindTheCasesOfItsSwitch) {
    const auto program = load("reached.dll");
    const Function* leaf = loading(*program, 0x11111111);
    ASSERT_TRUE(leaf);
    EXPECT_TRUE(leaf->decoded) << leaf->undecoded;
    ASSERT_EQ(leaf->jump_tables.size(), 1u);
    EXPECT_EQ(leaf->jump_tables[0].targets.size(), 2u);
    EXPECT_EQ(leaf->jump_tables[0].targets[1] + 6, Rva{static_cast<std::uint32_t>(leaf->range.end())});
}

TEST(Reached, HandlersAndWhatTheirDataLeadsToAreFunctions) {
    const auto program = load("reached.dll");
    for (const std::uint32_t number : {0x22222222u, 0x33333333u, 0x44444444u, 0x55555555u, 0x66666666u}) {
        const Function* function = loading(*program, number);
        ASSERT_TRUE(function) << std::hex << number;
        EXPECT_TRUE(function->decoded) << function->undecoded;
    }
}

} // namespace
} // namespace suture::program::test
