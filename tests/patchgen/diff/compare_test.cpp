#include "patchgen/diff/change_set.hpp"
#include "tests/patchgen/diff/made_up_program.hpp"

#include <gmock/gmock.h>

namespace suture::diff {
namespace {

using test::calls;
using test::ProgramMaker;
using test::reads;
using test::Ref;
using test::takes;
using testing::ElementsAre;
using testing::IsEmpty;

/// Two programs and what compare() says of them.
struct Compared {
    Compared(ProgramMaker& from, ProgramMaker& to)
        : baseline(from.make()), updated(to.make()), set(compare(*baseline, *updated)) {}

    std::vector<std::string> changed() const {
        std::vector<std::string> names;
        for (const Change& change : set.changes)
            names.push_back(change.name);
        return names;
    }
    std::vector<Code> codes() const {
        std::vector<Code> result;
        for (const Error& error : set.refusals)
            result.push_back(error.code());
        return result;
    }

    std::unique_ptr<const test::MadeUpProgram> baseline;
    std::unique_ptr<const test::MadeUpProgram> updated;
    ChangeSet set;
};

ProgramMaker callers() {
    ProgramMaker maker;
    maker.function("main", 1, {calls("f"), calls("g")});
    maker.function("f", 2, {takes("hello")});
    maker.function("g", 3, {reads("number")});
    maker.text("hello", "hello");
    maker.constant("number", {1, 2, 3, 4});
    return maker;
}

TEST(Compare, IdenticalProgramsAreEqual) {
    ProgramMaker baseline = callers();
    ProgramMaker updated = callers();
    const Compared compared(baseline, updated);
    EXPECT_TRUE(compared.set.no_change());
    EXPECT_EQ(compared.set.counts.equal, 3u);
}

TEST(Compare, AnotherTimeStampAndOrderIsNoChange) {
    for (const bool symbols : {true, false}) {
        ProgramMaker baseline = callers();
        baseline.symbols = symbols;
        ProgramMaker updated;
        updated.symbols = symbols;
        updated.time_date_stamp = 1;
        updated.constant("number", {1, 2, 3, 4});
        updated.text("hello", "hello");
        updated.function("g", 3, {reads("number")});
        updated.function("f", 2, {takes("hello")});
        updated.function("main", 1, {calls("f"), calls("g")});
        const Compared compared(baseline, updated);
        EXPECT_TRUE(compared.set.no_change()) << symbols;
        EXPECT_EQ(compared.set.counts.equal, 3u);
    }
}

TEST(Compare, ReplacesAFunctionWhoseCodeDiffersAndNotItsCallers) {
    ProgramMaker baseline = callers();
    ProgramMaker updated = callers();
    updated = {};
    updated.function("main", 1, {calls("f"), calls("g")});
    updated.function("f", 20, {takes("hello")});
    updated.function("g", 3, {reads("number")});
    updated.text("hello", "hello");
    updated.constant("number", {1, 2, 3, 4});
    const Compared compared(baseline, updated);
    ASSERT_THAT(compared.changed(), ElementsAre("f"));
    EXPECT_THAT(compared.codes(), IsEmpty());
    ASSERT_EQ(compared.set.functions.size(), 1u);
    const EmittedFunction& emitted = compared.set.functions[0];
    ASSERT_TRUE(emitted.site);
    EXPECT_EQ(emitted.site->kind, isa::SiteKind::x64_prologue);
    EXPECT_EQ(emitted.site->entry_size, 5u) << "as many as its first instruction";
    EXPECT_EQ(emitted.destinations, std::vector<Destination>{ToBaseline{baseline.at("hello")}});
    EXPECT_THAT(compared.set.data, IsEmpty());
    EXPECT_EQ(compared.set.changes[0].why, "code differs at +0x1");
}

TEST(Compare, EveryFunctionThatMayBeAnotherOneIsNamed) {
    const auto with = [](std::uint32_t first, std::uint32_t second, bool in_front) {
        ProgramMaker maker;
        maker.symbols = false;
        const auto add_both = [&] {
            maker.function("first", first);
            maker.function("second", second);
        };
        maker.function("main", 1, {takes("text")});
        if (in_front)
            add_both();
        maker.function("f", 2, {reads("text")});
        maker.function("g", 3);
        if (!in_front)
            add_both();
        maker.function("h", 4, {calls("main")});
        maker.text("text", "text");
        for (const char* name : {"main", "f", "g", "h"})
            maker.exported(name);
        return maker;
    };
    ProgramMaker baseline = with(10, 11, false);
    ProgramMaker updated = with(20, 21, true);
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.codes(), ElementsAre(Code::match_ambiguous));
    std::vector<std::pair<std::optional<Rva>, std::optional<Rva>>> found;
    for (const Change& change : compared.set.changes) {
        EXPECT_EQ(change.verdict, Verdict::refused);
        found.emplace_back(change.baseline_rva, change.updated_rva);
    }
    EXPECT_THAT(found, ElementsAre(std::pair(std::optional(baseline.at("first")), std::optional<Rva>()),
                                   std::pair(std::optional(baseline.at("second")), std::optional<Rva>()),
                                   std::pair(std::optional<Rva>(), std::optional(updated.at("first"))),
                                   std::pair(std::optional<Rva>(), std::optional(updated.at("second")))));
    ProgramMaker moved = with(10, 11, true);
    EXPECT_TRUE(Compared(baseline, moved).set.no_change());
}

TEST(Compare, EqualBytesWithAnotherStringAreAChange) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes(".a")});
    baseline.function("g", 2);
    baseline.text(".a", "one");
    ProgramMaker updated;
    updated.function("f", 1, {takes(".a")});
    updated.function("g", 2);
    updated.text(".a", "two");
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.changed(), ElementsAre("f"));
    ASSERT_EQ(compared.set.data.size(), 1u);
    EXPECT_EQ(compared.set.data[0].object.range, (RvaRange{updated.at(".a"), 4}));
    EXPECT_EQ(compared.set.functions[0].destinations, std::vector<Destination>{(ToData{updated.at(".a"), 0})});
}

TEST(Compare, EqualBytesWithAnotherCalleeAreAChange) {
    ProgramMaker baseline;
    baseline.function("f", 1, {calls("g")});
    baseline.function("g", 2);
    baseline.function("h", 3);
    ProgramMaker updated;
    updated.function("f", 1, {calls("h")});
    updated.function("g", 2);
    updated.function("h", 3);
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.changed(), ElementsAre("f"));
    EXPECT_EQ(compared.set.functions[0].destinations, std::vector<Destination>{ToBaseline{baseline.at("h")}});
}

TEST(Compare, EqualBytesWithAnotherImportAreAChange) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("Sleep", 8)});
    baseline.import("KERNEL32.dll", "Sleep");
    ProgramMaker updated;
    updated.function("f", 1, {reads("SleepEx", 8)});
    updated.import("KERNEL32.dll", "SleepEx");
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.changed(), ElementsAre("f"));
    EXPECT_EQ(compared.set.functions[0].destinations,
              std::vector<Destination>{(ToNewImport{"KERNEL32.dll", "SleepEx", 0})});
}

TEST(Compare, AnImportThatMovedIsNoChange) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("Sleep", 8)});
    baseline.import("KERNEL32.dll", "Sleep");
    ProgramMaker updated;
    updated.function("f", 1, {reads("Sleep", 8)});
    updated.import("KERNEL32.dll", "Beep");
    updated.import("kernel32.DLL", "Sleep");
    EXPECT_TRUE(Compared(baseline, updated).set.no_change());
}

TEST(Compare, ASizedReadComparesItsBytesOnly) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("table", 4)});
    baseline.constant("table", {1, 2, 3, 4, 5, 6, 7, 8});
    ProgramMaker updated;
    updated.function("f", 1, {reads("table", 4)});
    updated.constant("table", {1, 2, 3, 4, 5, 6, 7, 80});
    EXPECT_TRUE(Compared(baseline, updated).set.no_change());
}

TEST(Compare, ATakenAddressReachesOverUnnamedDataBehindIt) {
    // g refers into the middle of the table that f indexes: the change lies behind that.
    ProgramMaker baseline;
    baseline.function("f", 1, {takes(".table")});
    baseline.function("g", 2, {reads(".inside")});
    baseline.constant(".table", {1, 2, 3, 4});
    baseline.constant(".inside", {5, 6, 7, 8, 9, 10, 11, 12});
    ProgramMaker updated;
    updated.function("f", 1, {takes(".table")});
    updated.function("g", 2, {reads(".inside")});
    updated.constant(".table", {1, 2, 3, 4});
    updated.constant(".inside", {5, 6, 7, 8, 9, 10, 11, 120});
    EXPECT_THAT(Compared(baseline, updated).changed(), ElementsAre("f"));
}

TEST(Compare, ANameEndsWhatLiesBefore) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("table")});
    baseline.constant("table", {1, 2, 3, 4});
    baseline.constant("other", {5});
    ProgramMaker updated;
    updated.function("f", 1, {takes("table")});
    updated.constant("table", {1, 2, 3, 4});
    updated.constant("other", {50});
    EXPECT_TRUE(Compared(baseline, updated).set.no_change());
}

TEST(Compare, FollowsPointersToWhatTheyLeadTo) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("names")});
    baseline.pointers("names", {".one", ".two"});
    baseline.text(".one", "one");
    baseline.text(".two", "two");
    ProgramMaker updated;
    updated.function("f", 1, {takes("names")});
    updated.pointers("names", {".one", ".two"});
    updated.text(".one", "one");
    updated.text(".two", "TWO");
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.changed(), ElementsAre("f"));
    EXPECT_THAT(compared.codes(), IsEmpty());
    ASSERT_EQ(compared.set.data.size(), 2u); // the table, and the string that differs
    ASSERT_EQ(compared.set.data[0].pointers.size(), 2u);
    EXPECT_EQ(compared.set.data[0].pointers[0].second, Destination(ToBaseline{baseline.at(".one")}));
    EXPECT_EQ(compared.set.data[0].pointers[1].second, Destination(ToData{updated.at(".two"), 0}));
}

TEST(Compare, PointersThatGoRoundEnd) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("a")});
    baseline.pointers("a", {"b"});
    baseline.pointers("b", {"a"});
    ProgramMaker updated;
    updated.function("f", 1, {takes("a")});
    updated.pointers("b", {"a"});
    updated.pointers("a", {"b"});
    EXPECT_TRUE(Compared(baseline, updated).set.no_change());
}

TEST(Compare, RefusesAChangedTableOfFunctions) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("table")});
    baseline.function("g", 2);
    baseline.function("h", 3);
    baseline.pointers("table", {"g"});
    ProgramMaker updated;
    updated.function("f", 1, {takes("table")});
    updated.function("g", 2);
    updated.function("h", 3);
    updated.pointers("table", {"h"});
    EXPECT_THAT(Compared(baseline, updated).codes(), ElementsAre(Code::vtable_changed));
}

TEST(Compare, ATableOfFunctionsOfWhichOneChangedIsTheSame) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("table")});
    baseline.function("g", 2);
    baseline.pointers("table", {"g"});
    ProgramMaker updated;
    updated.function("f", 1, {takes("table")});
    updated.function("g", 20);
    updated.pointers("table", {"g"});
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.changed(), ElementsAre("g"));
    EXPECT_THAT(compared.codes(), IsEmpty());
}

TEST(Compare, CallsBetweenEmittedFunctionsAreDirectAndAddressesAreTheBaselines) {
    ProgramMaker baseline;
    baseline.function("f", 1, {calls("g"), takes("g")});
    baseline.function("g", 2);
    baseline.function("rest", 3);
    ProgramMaker updated;
    updated.function("f", 10, {calls("g"), takes("g"), calls("added")});
    updated.function("g", 20);
    updated.function("rest", 3);
    updated.function("added", 4);
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.codes(), IsEmpty());
    EXPECT_THAT(compared.changed(), ElementsAre("f", "g", "added"));
    EXPECT_EQ(compared.set.functions[0].destinations,
              (std::vector<Destination>{ToEmitted{updated.at("g"), 0}, ToBaseline{baseline.at("g")},
                                        ToEmitted{updated.at("added"), 0}}));
    EXPECT_EQ(compared.set.changes[2].verdict, Verdict::added);
    EXPECT_EQ(compared.set.functions[2].baseline, nullptr);
}

TEST(Compare, WhoLeadsIntoTheMiddleOfAChangedFunctionChangesWithIt) {
    ProgramMaker baseline;
    baseline.function("f", 1, {Ref{test::Use::jump, "g", 0, 5}});
    baseline.function("g", 2, {calls("h")});
    baseline.function("h", 3);
    ProgramMaker updated;
    updated.function("f", 1, {Ref{test::Use::jump, "g", 0, 5}});
    updated.function("g", 20, {calls("h")});
    updated.function("h", 3);
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.changed(), ElementsAre("f", "g"));
    EXPECT_EQ(compared.set.functions[0].destinations, std::vector<Destination>{(ToEmitted{updated.at("g"), 5})});
}

TEST(Compare, APartThatOnlyChangedFunctionsJumpToNeedsNoSite) {
    ProgramMaker baseline;
    baseline.function("f", 1, {Ref{test::Use::jump, "f.cold"}});
    baseline.function("f.cold", 2);
    ProgramMaker updated;
    updated.function("f", 10, {Ref{test::Use::jump, "f.cold"}});
    updated.function("f.cold", 20);
    const Compared compared(baseline, updated);
    ASSERT_THAT(compared.changed(), ElementsAre("f", "f.cold"));
    EXPECT_TRUE(compared.set.functions[0].site);
    EXPECT_FALSE(compared.set.functions[1].site);
    EXPECT_EQ(compared.set.changes[1].verdict, Verdict::added);
}

TEST(Compare, RefusesFoldedCodeOfWhichOneFunctionChanged) {
    ProgramMaker baseline;
    baseline.function("f", 1, {}, {"g"});
    baseline.function("h", 3);
    ProgramMaker updated;
    updated.function("f", 1);
    updated.function("g", 2);
    updated.function("h", 3);
    const Compared compared(baseline, updated);
    EXPECT_THAT(compared.codes(), ElementsAre(Code::folded_function));
    EXPECT_EQ(compared.set.changes[0].verdict, Verdict::refused);
}

TEST(Compare, FoldedCodeThatComesApartUnchangedIsNoChange) {
    ProgramMaker baseline;
    baseline.function("f", 1, {}, {"g"});
    ProgramMaker updated;
    updated.function("f", 1);
    updated.function("g", 1);
    EXPECT_TRUE(Compared(baseline, updated).set.no_change());
}

TEST(Compare, RefusesUnnamedFunctionsThatNothingPairs) {
    ProgramMaker baseline;
    ProgramMaker updated;
    for (ProgramMaker* maker : {&baseline, &updated}) {
        maker->symbols = false;
        maker->function("main", 1, {calls("f")});
        maker->function("f", 2);
        maker->function("g", 3);
    }
    baseline.function("h", 4);
    baseline.function("i", 5);
    updated.function("h", 40);
    updated.function("i", 50);
    EXPECT_THAT(Compared(baseline, updated).codes(), ElementsAre(Code::match_ambiguous));
}

TEST(Compare, RefusesOtherExports) {
    ProgramMaker baseline;
    baseline.function("f", 1);
    baseline.function("g", 2);
    baseline.exported("f");
    ProgramMaker updated;
    updated.function("f", 1);
    updated.function("g", 2);
    updated.exported("g");
    EXPECT_THAT(Compared(baseline, updated).codes(), ElementsAre(Code::export_removed, Code::export_added));
}

TEST(Compare, RefusesUnrelatedImagesWithOneReason) {
    ProgramMaker baseline = callers();
    ProgramMaker updated;
    updated.function("x", 7, {calls("y")});
    updated.function("y", 8);
    EXPECT_THAT(Compared(baseline, updated).codes(), ElementsAre(Code::unrelated_images));
}

TEST(Compare, RefusesAnotherMachine) {
    ProgramMaker baseline = callers();
    ProgramMaker updated = callers();
    updated.machine = Machine::arm64;
    EXPECT_THAT(Compared(baseline, updated).codes(), ElementsAre(Code::unrelated_images));
}

TEST(Compare, EachPadServesOneFunction) {
    ProgramMaker baseline;
    ProgramMaker updated;
    baseline.starts_with_nop = updated.starts_with_nop = true;
    for (int i = 0; i < 20; ++i) {
        const std::string name = "f" + std::to_string(i);
        baseline.function(name, static_cast<std::uint32_t>(i));
        updated.function(name, static_cast<std::uint32_t>(100 + i));
    }
    const Compared compared(baseline, updated);
    std::set<Rva> pads;
    for (const EmittedFunction& emitted : compared.set.functions) {
        ASSERT_TRUE(emitted.site);
        EXPECT_TRUE(pads.insert(emitted.site->pad).second);
    }
    EXPECT_EQ(pads.size(), 20u);
}

} // namespace
} // namespace suture::diff
