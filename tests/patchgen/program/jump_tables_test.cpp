#include "fixtures.hpp"

namespace suture::program {
namespace {

using test::load;
using test::named;

class JumpTables : public testing::TestWithParam<const char*> {};

TEST_P(JumpTables, AreFoundWithAllTheirEntries) {
    const auto program = load(GetParam());
    const auto& function = *named(*program, "dispatch");
    EXPECT_TRUE(function.decoded) << function.undecoded;
    ASSERT_EQ(function.jump_tables.size(), 1u);
    EXPECT_EQ(function.jump_tables[0].targets.size(), 8u);
    EXPECT_EQ(function.jump_tables[0].base, function.jump_tables[0].at);
}

TEST_P(JumpTables, AreFoundWhereALoopKeepsTheirAddressInARegister) {
    const auto program = load(GetParam());
    const auto& function = *named(*program, "decode");
    EXPECT_TRUE(function.decoded) << function.undecoded;
    ASSERT_EQ(function.jump_tables.size(), 1u);
    EXPECT_EQ(function.jump_tables[0].targets.size(), 'v' - 'a' + 1u);
}

TEST_P(JumpTables, LeadToInstructions) {
    const auto program = load(GetParam());
    for (const auto& function : program->functions()) {
        for (const auto& table : function.jump_tables) {
            for (std::uint32_t i = 0; i < table.targets.size(); ++i) {
                const auto entry = program->image().read<std::uint32_t>(table.at + 4 * i);
                EXPECT_EQ(table.base + entry.value(), table.targets[i]);
                const auto* target = program->function_at(table.targets[i]);
                ASSERT_NE(target, nullptr);
                EXPECT_TRUE(std::ranges::binary_search(target->instructions, table.targets[i] - target->range.begin));
            }
        }
    }
}

TEST_P(JumpTables, AreDataObjectsOfTheirSize) {
    const auto program = load(GetParam());
    for (const auto& function : program->functions()) {
        for (const auto& table : function.jump_tables) {
            const auto* object = program->data_at(table.at);
            ASSERT_NE(object, nullptr);
            EXPECT_EQ(object->range, table.range());
            EXPECT_TRUE(object->size_known);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Compilers, JumpTables, testing::Values("clang.dll", "gcc.dll"), [](const auto& tested) {
    const std::string name = tested.param;
    return name.substr(0, name.find('.'));
});

TEST(JumpTablesTest, InFrontOfTheCodeThatUsesThemAreNotDecoded) {
    for (const char* image : {"msvc_style.dll", "unnamed.dll"}) {
        const auto program = load(image);
        const auto& function = *named(*program, "table_first");
        EXPECT_TRUE(function.decoded) << function.undecoded;
        ASSERT_EQ(function.jump_tables.size(), 1u);
        EXPECT_EQ(function.jump_tables[0].targets.size(), 4u);
        for (const std::uint32_t offset : function.instructions)
            EXPECT_FALSE(function.jump_tables[0].range().contains(function.range.begin + offset));
    }
}

TEST(JumpTablesTest, InsideCodeAreNotDecoded) {
    for (const char* image : {"msvc_style.dll", "unnamed.dll"}) {
        const auto program = load(image);
        const auto& function = *named(*program, "two_level");
        EXPECT_TRUE(function.decoded) << function.undecoded;
        ASSERT_EQ(function.jump_tables.size(), 1u);
        const auto& table = function.jump_tables[0];
        EXPECT_EQ(table.base, Rva{0});
        EXPECT_EQ(table.targets.size(), 3u);
        EXPECT_TRUE(function.range.contains(table.range()));
        EXPECT_LT(function.instructions.back(), table.at - function.range.begin);
        // The bytes behind the table, which choose its entries, are 7.
        EXPECT_EQ(table.range().end() + 7, function.range.end());
    }
}

} // namespace
} // namespace suture::program
