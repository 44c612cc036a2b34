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
                EXPECT_TRUE(target->instructions.contains(table.targets[i] - target->range.begin));
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
        for (const std::uint32_t offset : function.instructions.offsets())
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
        EXPECT_EQ(function.instructions.at_or_behind(table.at - function.range.begin), std::nullopt);
        // The bytes behind the table, which choose its entries, are 7.
        EXPECT_EQ(table.range().end() + 7, function.range.end());
    }
}

/// A function of gcc_switches.dll.
class GccSwitches : public testing::Test {
  protected:
    const Function& operator[](std::string_view name) const { return *named(*program_, name); }
    void expect_one_table(std::string_view name, std::size_t entries) const {
        const auto& function = (*this)[name];
        EXPECT_TRUE(function.decoded) << function.undecoded;
        ASSERT_EQ(function.jump_tables.size(), 1u);
        EXPECT_EQ(function.jump_tables[0].targets.size(), entries);
    }

  private:
    std::unique_ptr<const Program> program_ = load("gcc_switches.dll");
};

TEST_F(GccSwitches, ACallInFrontOfACaseMayNotReturn) {
    expect_one_table("in_a_loop", 2);
}

TEST_F(GccSwitches, AJumpThatMayServeSeveralTablesIsNotUnderstood) {
    EXPECT_FALSE((*this)["by_two_tables"].decoded);
}

TEST_F(GccSwitches, ACalleeMayKeepTheAddressOfATable) {
    expect_one_table("kept_by_callee", 2);
}

TEST_F(GccSwitches, ACallInTailPositionIsMarked) {
    expect_one_table("calls_in_tail", 2);
}

TEST_F(GccSwitches, TheComparisonOfACopiedIndexCounts) {
    expect_one_table("copied_index", 2);
}

TEST_F(GccSwitches, ACaseMayLieInAColdPartWithoutAName) {
    expect_one_table("has_cold_part", 3);
}

TEST_F(GccSwitches, AFunctionThatIsCalledIsNoColdPart) {
    EXPECT_FALSE((*this)["leads_to_another"].decoded);
}

} // namespace
} // namespace suture::program
