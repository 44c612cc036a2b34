// Pairs of real images, from the comparison to the proof.
#include "engine/isa/arm64/immediates.hpp"
#include "tests/patchgen/arm64/pairs.hpp"

namespace suture::emit::arm64 {
namespace {

using isa::arm64::Form;
using test::Arm64Pair;

/// The instruction words of an emitted function, with all that lies before the next one.
std::vector<std::uint32_t> words_of(const package::Contents& contents, const std::string& name) {
    const auto& functions = contents.manifest.functions;
    const auto found = std::ranges::find(functions, name, &package::Replacement::name);
    EXPECT_NE(found, functions.end()) << name;
    std::vector<std::uint32_t> words;
    if (found == functions.end())
        return words;
    const package::SectionContent& text = contents.sections[0];
    std::uint64_t end = text.rva.value + text.bytes.size();
    for (const package::Replacement& other : functions)
        if (other.patch > found->patch)
            end = std::min<std::uint64_t>(end, other.patch.value);
    for (Rva at = found->patch; at.value + std::uint64_t{4} <= end; at = at + 4)
        words.push_back(*ByteView(text.bytes).read<std::uint32_t>(at - text.rva));
    return words;
}

std::size_t branches(const std::vector<std::uint32_t>& words) {
    return static_cast<std::size_t>(std::ranges::count_if(words, [](std::uint32_t word) {
        return isa::arm64::form_of(word) == Form::branch26 && !isa::arm64::is_call(word);
    }));
}

TEST(References, OfEveryKindOfChangeMakeAPackageThatIsProved) {
    for (const bool symbols : {true, false}) {
        for (const std::string name : {"branches", "calls", "imports", "new_global", "shared_page", "switches"}) {
            // Without names nothing says that a variable at the end of the section is new.
            if (name == "new_global" && !symbols)
                continue;
            const Arm64Pair pair(name, symbols);
            EXPECT_EQ(pair.obstacle(), "") << name << (symbols ? "" : " without symbols");
        }
    }
}

TEST(References, OnlyChangedFunctionsAreEmitted) {
    const Arm64Pair pair("calls");
    auto names = pair.emitted();
    std::ranges::sort(names);
    EXPECT_EQ(names, (std::vector<std::string>{"call", "count", "limit", "limited", "prime", "scale", "text"}));
}

TEST(References, OfAnUnchangedPairAreNoChange) {
    for (const std::string name : {"branches", "calls", "imports", "new_global", "shared_page", "switches"}) {
        const auto one = test::load_arm64(name, "baseline");
        const auto two = test::load_arm64(name, "baseline");
        EXPECT_TRUE(diff::compare(*one, *two).no_change()) << name;
    }
}

TEST(References, ThatPartGetVeneers) {
    const auto contents = Arm64Pair("shared_page").emit();
    ASSERT_TRUE(contents) << contents.error().message();
    // Branches to the veneer and back, for the address, for two loads, and for a load of a vector register.
    EXPECT_EQ(branches(words_of(*contents, "leaf")), 2u);
    EXPECT_EQ(branches(words_of(*contents, "loads")), 4u);
    const auto vectors = words_of(*contents, "vectors");
    EXPECT_EQ(branches(vectors), 2u);
    // adrp x16 and ldr d1, [x16, #]
    EXPECT_EQ(vectors[7] & 0x9f00001f, 0x90000010u);
    EXPECT_EQ(vectors[8] & 0xffc003ff, 0xfd400201u);
}

TEST(References, OfStoresThatPartGoThroughAFreeRegister) {
    const auto contents = Arm64Pair("new_global").emit();
    ASSERT_TRUE(contents) << contents.error().message();
    const auto words = words_of(*contents, "stores");
    ASSERT_EQ(words.size(), 16u);
    EXPECT_EQ(words[10] & 0x9f00001f, 0x90000010u); // adrp x16
    EXPECT_EQ(words[11] & 0xffc003ff, 0x79000200u); // strh w0, [x16, #]
    EXPECT_EQ(words[13] & 0x9f00001f, 0x9000000bu); // adrp x11
    EXPECT_EQ(words[14] & 0xffc003ff, 0x39c0016bu); // ldrsb w11, [x11, #]
    ASSERT_EQ(contents->manifest.globals.size(), 1u);
    EXPECT_EQ(contents->manifest.globals[0].name, "fresh");
}

TEST(References, OfShortBranchesToTheBaselineGetVeneers) {
    const auto contents = Arm64Pair("branches").emit();
    ASSERT_TRUE(contents) << contents.error().message();
    EXPECT_EQ(branches(words_of(*contents, "chooses")), 3u);
    const auto& fixups = contents->manifest.fixups;
    EXPECT_EQ(std::ranges::count(fixups, package::FixupKind::arm64_branch26, &package::Fixup::kind), 3);
    EXPECT_EQ(std::ranges::count(fixups, package::FixupKind::arm64_page21, &package::Fixup::kind), 1);
}

TEST(References, ToLiteralsOfTheFunctionStayAsTheyAre) {
    const Arm64Pair pair("branches");
    const auto contents = pair.emit();
    ASSERT_TRUE(contents) << contents.error().message();
    const auto words = words_of(*contents, "takes");
    ASSERT_GT(words.size(), 8u);
    EXPECT_EQ(isa::arm64::get(Form::literal19, words[1]), 12);
    EXPECT_EQ(isa::arm64::get(Form::literal19, words[2]), 8);
    EXPECT_EQ(words[4], 0x00000001u);
    EXPECT_EQ(words[5], 0x3ff00000u);
}

TEST(References, AreRefusedWhereAVectorPartsAndNoRegisterIsFree) {
    const auto contents = Arm64Pair("no_register").emit();
    ASSERT_FALSE(contents);
    EXPECT_EQ(contents.error().code(), Code::register_none);
    EXPECT_EQ(contents.error().place().function, "vectors");
}

TEST(References, AreRefusedWhereAnInstructionOfAPrologueParts) {
    const auto contents = Arm64Pair("prologue").emit();
    ASSERT_FALSE(contents);
    EXPECT_EQ(contents.error().code(), Code::unwind_unsupported);
}

TEST(References, AreRefusedWhereTheyLeadToNothingThatIsEmitted) {
    Arm64Pair pair("calls");
    pair.changes.functions[0].destinations[0] = diff::ToEmitted{{0x7777}, 0};
    const auto contents = pair.emit();
    ASSERT_FALSE(contents);
    EXPECT_EQ(contents.error().code(), Code::reference_unresolved);
}

TEST(References, AreRefusedWhereNothingUsesAPage) {
    Arm64Pair pair("shared_page");
    program::Function bent = *pair.changes.functions[0].updated;
    bent.page_uses.clear();
    pair.changes.functions[0].updated = &bent;
    const auto contents = pair.emit();
    ASSERT_FALSE(contents);
    EXPECT_EQ(contents.error().code(), Code::reference_unresolved);
}

TEST(References, OfScaledLoadsAreRefusedWhereTheBaselineIsNotAligned) {
    Arm64Pair pair("shared_page");
    for (diff::EmittedFunction& function : pair.changes.functions)
        for (std::size_t i = 0; i < function.destinations.size(); ++i)
            if (function.updated->references[i].kind == program::ReferenceKind::arm64_low12_load)
                function.destinations[i] = diff::ToBaseline{{0x2004}};
    const auto contents = pair.emit();
    ASSERT_FALSE(contents);
    EXPECT_EQ(contents.error().code(), Code::reference_out_of_reach);
}

TEST(References, OfJumpTablesAreRefusedWhereAnEntryDoesNotFit) {
    Arm64Pair pair("switches");
    bool bent = false;
    for (diff::EmittedFunction& function : pair.changes.functions)
        for (const program::JumpTable& table : function.updated->jump_tables)
            if (table.entry_size == 1 && !bent) {
                // 0x400 bytes ahead: more than 255 words.
                function.table_destinations[0] = diff::ToEmitted{function.updated->range.begin, 0x2000};
                bent = true;
            }
    ASSERT_TRUE(bent);
    const auto contents = pair.emit();
    ASSERT_FALSE(contents);
    EXPECT_EQ(contents.error().code(), Code::reference_out_of_reach);
}

TEST(References, GiveTheSameBytesForTheSameInputs) {
    const auto one = Arm64Pair("shared_page").emit();
    const auto two = Arm64Pair("shared_page").emit();
    ASSERT_TRUE(one && two);
    EXPECT_EQ(*package::write_package(*one), *package::write_package(*two));
}

} // namespace
} // namespace suture::emit::arm64
