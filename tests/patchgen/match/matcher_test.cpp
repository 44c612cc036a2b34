#include "patchgen/match/matcher.hpp"
#include "tests/patchgen/diff/made_up_program.hpp"

#include <gmock/gmock.h>

namespace suture::match {
namespace {

using test::calls;
using test::ProgramMaker;
using testing::ElementsAre;
using testing::IsEmpty;
using List = std::vector<std::uint32_t>;

Matching matching_of(ProgramMaker& baseline, ProgramMaker& updated) {
    const auto a = baseline.make();
    const auto b = updated.make();
    return match(Places(*a), Places(*b));
}

TEST(Matcher, PairsFunctionsOfOneNameWhateverTheyDo) {
    ProgramMaker baseline;
    baseline.function("f", 1);
    baseline.function("g", 2);
    ProgramMaker updated;
    updated.function("g", 3);
    updated.function("f", 4);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{1}, List{0}));
}

TEST(Matcher, PairsUnnamedFunctionsByTheirCode) {
    ProgramMaker baseline;
    baseline.symbols = false;
    baseline.function("f", 1);
    baseline.function("g", 2);
    ProgramMaker updated;
    updated.symbols = false;
    updated.function("g", 2);
    updated.function("f", 1);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{1}, List{0}));
}

TEST(Matcher, PairsAChangedUnnamedFunctionByItsCaller) {
    ProgramMaker baseline;
    baseline.symbols = false;
    baseline.function("caller", 1, {calls("f"), calls("g")});
    baseline.function("f", 2);
    baseline.function("g", 3);
    ProgramMaker updated;
    updated.symbols = false;
    updated.function("g", 30);
    updated.function("f", 20);
    updated.function("caller", 1, {calls("f"), calls("g")});
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{2}, List{1}, List{0}));
}

TEST(Matcher, DoesNotPairFunctionsOfDifferentNames) {
    ProgramMaker baseline;
    baseline.function("f", 1);
    baseline.function("gone", 2);
    ProgramMaker updated;
    updated.function("f", 1);
    updated.function("came", 2);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{0}, IsEmpty()));
}

TEST(Matcher, PairsClonesThatTheCompilerNumberedAnew) {
    ProgramMaker baseline;
    baseline.function("f.constprop.0", 1);
    ProgramMaker updated;
    updated.function("f.constprop.1", 1);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{0}));
}

TEST(Matcher, TellsStaticFunctionsOfOneNameApartByTheirCode) {
    ProgramMaker baseline;
    baseline.function(".a", 1, {}, {});
    baseline.function("first", 1);
    ProgramMaker updated;
    updated.function("first", 1);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(IsEmpty(), List{0}));
}

TEST(Matcher, DoesNotPairWhatReferencesDisagreeOn) {
    // Two callers that cannot be told from each other's evidence: f is once f, once another.
    ProgramMaker baseline;
    baseline.symbols = false;
    baseline.function("one", 1, {calls("f")});
    baseline.function("two", 2, {calls("f")});
    baseline.function("f", 3);
    baseline.function("g", 4, {calls("g2")});
    baseline.function("g2", 5);
    ProgramMaker updated;
    updated.symbols = false;
    updated.function("one", 1, {calls("f")});
    updated.function("two", 2, {calls("other")});
    updated.function("f", 30);
    updated.function("other", 31);
    updated.function("g", 4, {calls("g2")});
    updated.function("g2", 5);
    const Matching matching = matching_of(baseline, updated);
    EXPECT_THAT(matching.to_updated[2], IsEmpty());
    EXPECT_EQ(matching.conflicts.size(), 2u);
}

TEST(Matcher, TellsFunctionsOfEqualCodeApartByWhatTheyReferTo) {
    const auto program = [](bool reversed) {
        ProgramMaker maker;
        maker.symbols = false;
        for (const char* text : {"first", "second", "third"}) {
            const std::string name = reversed ? std::string(text) == "first"   ? "third"
                                                : std::string(text) == "third" ? "first"
                                                                               : text
                                              : text;
            maker.function(name, 1, {test::takes("of " + name)});
        }
        for (const char* text : {"first", "second", "third"})
            maker.text("of " + std::string(text), "the text of the " + std::string(text));
        return maker;
    };
    ProgramMaker baseline = program(false);
    ProgramMaker updated = program(true);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{2}, List{1}, List{0}));
}

TEST(Matcher, FollowsATableOfAChangedFunctionBetweenWhatIsKnown) {
    const auto program = [](std::uint32_t changed) {
        ProgramMaker maker;
        maker.symbols = false;
        maker.function("f", 1, {test::takes("before"), test::takes("behind")});
        maker.function("g", changed, {test::takes("table"), calls("f")});
        maker.function("h", changed + 1);
        maker.function("i", changed + 2);
        maker.function("k", changed + 3);
        maker.constant("before", {1, 2, 3, 4, 5, 6, 7, 8});
        maker.pointers("table", {"k", "h", "i"});
        maker.constant("behind", {1, 2, 3, 4, 5, 6, 7, 8});
        maker.exported("f");
        return maker;
    };
    ProgramMaker baseline = program(10);
    ProgramMaker updated = program(20);
    const Matching matching = matching_of(baseline, updated);
    EXPECT_THAT(matching.to_updated, ElementsAre(List{0}, List{1}, List{2}, List{3}, List{4}));
}

TEST(Matcher, PairsFunctionsOfEqualCodeInOrderWhereEquallyManyLieBetweenTheSamePairs) {
    const auto program = [](std::initializer_list<const char*> names) {
        ProgramMaker maker;
        maker.symbols = false;
        for (const std::string name : names)
            maker.function(name, name == "f" ? 1 : name == "g" ? 2 : 3);
        return maker;
    };
    ProgramMaker baseline = program({"f", "twin", "other twin", "g", "third twin"});
    ProgramMaker moved = program({"g", "third twin", "f", "twin", "other twin"});
    EXPECT_THAT(matching_of(baseline, moved).to_updated, ElementsAre(List{2}, List{3}, List{4}, List{0}, List{1}));
    // One of the first two is gone: nothing tells which.
    ProgramMaker fewer = program({"f", "twin", "g", "third twin"});
    EXPECT_THAT(matching_of(baseline, fewer).to_updated, ElementsAre(List{0}, List{}, List{}, List{2}, List{3}));
    EXPECT_THAT(matching_of(fewer, baseline).to_updated, ElementsAre(List{0}, List{}, List{3}, List{4}));
}

TEST(Matcher, DoesNotPairFunctionsOfEqualCodeByTheirOrderAlone) {
    ProgramMaker baseline;
    baseline.symbols = false;
    baseline.function("f", 1);
    baseline.function("twin", 3);
    baseline.function("g", 2);
    ProgramMaker updated;
    updated.symbols = false;
    updated.function("f", 1);
    updated.function("changed", 4);
    updated.function("g", 2);
    updated.function("h", 5);
    updated.function("twin", 3);
    updated.function("another", 3);
    const Matching matching = matching_of(baseline, updated);
    EXPECT_THAT(matching.to_baseline[4], IsEmpty());
    EXPECT_THAT(matching.to_baseline[5], IsEmpty());
}

TEST(Matcher, ANeighbourhoodThatChangedAltogetherSaysNothing) {
    const auto program = [](std::uint32_t code, bool near_code_changed, const char* text) {
        ProgramMaker maker;
        maker.symbols = false;
        maker.function("f", near_code_changed ? code : 1);
        maker.function("between", code + 1, {test::takes("text")});
        maker.function("g", near_code_changed ? code + 2 : 2);
        maker.text("text", text);
        maker.exported("f");
        maker.exported("g");
        return maker;
    };
    ProgramMaker baseline = program(10, false, "what it says");
    ProgramMaker updated = program(20, false, "what it says");
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{0}, List{1}, List{2}));
    ProgramMaker all_changed = program(20, true, "what it says");
    EXPECT_THAT(matching_of(baseline, all_changed).to_updated, ElementsAre(List{0}, List{}, List{2}));
    ProgramMaker nothing_in_common = program(20, false, "another text");
    EXPECT_THAT(matching_of(baseline, nothing_in_common).to_updated, ElementsAre(List{0}, List{}, List{2}));
}

TEST(Matcher, UnnamedCodeThatComesApartHasSeveralCounterparts) {
    ProgramMaker baseline;
    baseline.symbols = false;
    baseline.function("f", 1, {calls("folded")});
    baseline.function("g", 2, {calls("folded")});
    baseline.function("folded", 3);
    ProgramMaker updated;
    updated.symbols = false;
    updated.function("f", 1, {calls("folded")});
    updated.function("g", 2, {calls("apart")});
    updated.function("folded", 3);
    updated.function("apart", 3);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{0}, List{1}, List{2, 3}));
    EXPECT_THAT(matching_of(updated, baseline).to_updated, ElementsAre(List{0}, List{1}, List{2}, List{2}));
}

TEST(Matcher, GivesFoldedCodeSeveralCounterparts) {
    ProgramMaker baseline;
    baseline.function("f", 1, {}, {"g"});
    ProgramMaker updated;
    updated.function("f", 1);
    updated.function("g", 2);
    EXPECT_THAT(matching_of(baseline, updated).to_updated, ElementsAre(List{0, 1}));
}

TEST(Matcher, AnExportIsTheSameByDefinition) {
    ProgramMaker baseline;
    baseline.symbols = false;
    baseline.function("f", 1);
    baseline.function("g", 2);
    baseline.exported("f");
    ProgramMaker updated;
    updated.symbols = false;
    updated.function("g", 1);
    updated.function("f", 2);
    updated.exported("f");
    EXPECT_THAT(matching_of(baseline, updated).to_updated[0], ElementsAre(1));
}

} // namespace
} // namespace suture::match
