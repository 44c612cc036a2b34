#include "engine/isa/arm64/immediates.hpp"
#include "fixtures.hpp"

#include <gmock/gmock.h>

namespace suture::program {
namespace {

using test::data_named;
using test::load;
using test::named;

TEST(Arm64ProgramTest, UnderstandsAllFunctionsWithAndWithoutSymbols) {
    for (const bool use_symbols : {true, false}) {
        const auto program = load("arm64.dll", {.symbols = {}, .use_symbols = use_symbols});
        EXPECT_GE(program->functions().size(), 8u);
        for (const auto& function : program->functions())
            EXPECT_TRUE(function.decoded) << function.display_name() << ": " << function.undecoded;
        EXPECT_TRUE(program->conflicts().empty());
    }
}

TEST(Arm64ProgramTest, FindsTheSameFunctionsWithoutSymbols) {
    const auto with = load("arm64.dll");
    const auto without = load("arm64.dll", {.symbols = {}, .use_symbols = false});
    ASSERT_EQ(with->functions().size(), without->functions().size());
    for (std::size_t i = 0; i < with->functions().size(); ++i) {
        EXPECT_EQ(with->functions()[i].range, without->functions()[i].range);
        EXPECT_EQ(with->functions()[i].references, without->functions()[i].references);
        EXPECT_EQ(with->functions()[i].page_uses, without->functions()[i].page_uses);
        EXPECT_EQ(with->functions()[i].jump_tables, without->functions()[i].jump_tables);
    }
}

TEST(Arm64ProgramTest, HoldsTheFieldOfEveryReference) {
    const auto program = load("arm64.dll");
    std::size_t seen = 0;
    for (const auto& function : program->functions()) {
        for (const auto& reference : function.references) {
            const Rva at = function.range.begin + reference.offset;
            const auto word = program->image().read<std::uint32_t>(at).value();
            const auto form = isa::arm64::form_of(word);
            ASSERT_TRUE(form);
            ++seen;
            if (isa::arm64::is_pc_relative(*form))
                EXPECT_EQ(isa::arm64::target_of(*form, word, at.value), reference.target.value);
            else
                EXPECT_EQ(isa::arm64::get(*form, word), reference.target.value & 0xfff);
        }
    }
    EXPECT_GT(seen, 30u);
}

TEST(Arm64ProgramTest, GivesEveryOffsetInAPageAnAdrpOfThatPage) {
    const auto program = load("arm64.dll");
    for (const auto& function : program->functions()) {
        for (const auto& reference : function.references) {
            if (reference.kind != ReferenceKind::arm64_low12_add && reference.kind != ReferenceKind::arm64_low12_load)
                continue;
            std::size_t pages = 0;
            for (const auto& use : function.page_uses) {
                if (use.user != reference.instruction)
                    continue;
                ++pages;
                const auto page = std::ranges::find(function.references, use.page, &Reference::offset);
                ASSERT_NE(page, function.references.end());
                EXPECT_EQ(page->kind, ReferenceKind::arm64_page21);
                EXPECT_EQ(page->target.value, reference.target.value & ~0xfffu);
            }
            EXPECT_GE(pages, 1u);
        }
    }
}

TEST(Arm64ProgramTest, SaysHowDataIsUsed) {
    const auto program = load("arm64.dll");
    const Rva counter = data_named(*program, "counter")->range.begin;
    bool read = false, written = false;
    for (const auto& reference : named(*program, "count")->references) {
        if (reference.target != counter || !has_target(reference.kind))
            continue;
        EXPECT_EQ(reference.access_size, 4u);
        read |= reference.use == Use::read;
        written |= reference.use == Use::write;
    }
    EXPECT_TRUE(read);
    EXPECT_TRUE(written);
}

TEST(Arm64ProgramTest, FindsTheSlotsOfImports) {
    const auto program = load("arm64.dll");
    ASSERT_EQ(program->imports().size(), 1u);
    const auto& references = named(*program, "ticks")->references;
    const auto slot = std::ranges::find(references, program->imports()[0].slot, &Reference::target);
    ASSERT_NE(slot, references.end());
    EXPECT_EQ(slot->kind, ReferenceKind::arm64_low12_load);
    EXPECT_EQ(slot->access_size, 8u);
}

TEST(Arm64ProgramTest, ReadsJumpTablesWithAllTheirEntries) {
    const auto program = load("arm64.dll");
    const auto& function = *named(*program, "dispatch");
    ASSERT_EQ(function.jump_tables.size(), 1u);
    const auto& table = function.jump_tables[0];
    EXPECT_EQ(table.targets.size(), 16u);
    EXPECT_EQ(table.entry_size, 1);
    EXPECT_EQ(table.shift, 2);
    for (std::uint32_t i = 0; i < table.targets.size(); ++i) {
        const auto entry = program->image().read<std::uint8_t>(table.at + i).value();
        EXPECT_EQ(table.targets[i], table.base + 4u * entry);
        EXPECT_TRUE(function.instructions.contains(table.targets[i] - function.range.begin));
    }
    ASSERT_NE(program->data_at(table.at), nullptr);
    EXPECT_EQ(program->data_at(table.at)->range, table.range());
}

TEST(Arm64ProgramTest, TellsCallsInTailPositionFromSwitches) {
    const auto program = load("arm64.dll");
    for (const char* name : {"call_back", "call_last"}) {
        const auto& function = *named(*program, name);
        EXPECT_TRUE(function.decoded) << function.undecoded;
        EXPECT_TRUE(function.jump_tables.empty());
    }
}

} // namespace
} // namespace suture::program
