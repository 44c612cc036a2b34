// Writable data: what the running process has.
#include "patchgen/diff/change_set.hpp"
#include "tests/patchgen/diff/made_up_program.hpp"

#include <gmock/gmock.h>

namespace suture::diff {
namespace {

using test::ProgramMaker;
using test::reads;
using test::takes;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Code> codes_of(const ChangeSet& set) {
    std::vector<Code> result;
    for (const Error& error : set.refusals)
        result.push_back(error.code());
    return result;
}

TEST(State, AGlobalThatMovedIsFoundByItsName) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("count")});
    baseline.global("count", {0, 0, 0, 0});
    ProgramMaker updated;
    updated.function("f", 2, {reads("count"), reads("fresh")});
    updated.global("fresh", {7, 0, 0, 0});
    updated.global("count", {0, 0, 0, 0});
    const auto a = baseline.make();
    const auto b = updated.make();
    const ChangeSet set = compare(*a, *b);
    EXPECT_THAT(codes_of(set), IsEmpty());
    ASSERT_EQ(set.functions.size(), 1u);
    EXPECT_EQ(set.functions[0].destinations,
              (std::vector<Destination>{ToBaseline{baseline.at("count")}, ToData{updated.at("fresh"), 0}}));
    ASSERT_EQ(set.data.size(), 1u);
    EXPECT_TRUE(set.data[0].object.writable);
}

TEST(State, AnUnnamedGlobalThatMovedIsFoundByItsUsers) {
    for (const bool moved : {false, true}) {
        ProgramMaker baseline;
        baseline.symbols = false;
        baseline.function("f", 1, {reads("a")});
        baseline.function("g", 2, {reads("b")});
        baseline.function("h", 3, {reads("a"), reads("b")});
        baseline.global("a", {0, 0, 0, 0});
        baseline.global("b", {0, 0, 0, 0, 0, 0, 0, 0});
        ProgramMaker updated;
        updated.symbols = false;
        updated.function("f", 1, {reads("a")});
        updated.function("g", 2, {reads("b")});
        updated.function("h", 30, {reads("a"), reads("b")});
        if (moved)
            updated.global("b", {0, 0, 0, 0, 0, 0, 0, 0});
        updated.global("a", {0, 0, 0, 0});
        if (!moved)
            updated.global("b", {0, 0, 0, 0, 0, 0, 0, 0});
        const auto a = baseline.make();
        const auto b = updated.make();
        const ChangeSet set = compare(*a, *b);
        EXPECT_THAT(codes_of(set), IsEmpty());
        ASSERT_EQ(set.functions.size(), 1u);
        EXPECT_EQ(set.functions[0].destinations,
                  (std::vector<Destination>{ToBaseline{baseline.at("a")}, ToBaseline{baseline.at("b")}}));
    }
}

TEST(State, EqualBytesWithAnotherGlobalAreAChange) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("a")});
    baseline.function("g", 2, {reads("b")});
    baseline.global("a", {0, 0, 0, 0});
    baseline.global("b", {0, 0, 0, 0});
    ProgramMaker updated;
    updated.function("f", 1, {reads("b")});
    updated.function("g", 2, {reads("b")});
    updated.global("a", {0, 0, 0, 0});
    updated.global("b", {0, 0, 0, 0});
    const auto a = baseline.make();
    const auto b = updated.make();
    const ChangeSet set = compare(*a, *b);
    ASSERT_EQ(set.functions.size(), 1u);
    EXPECT_EQ(set.functions[0].destinations, std::vector<Destination>{ToBaseline{baseline.at("b")}});
}

TEST(State, RefusesUnnamedDataThatUsersDisagreeOn) {
    ProgramMaker baseline;
    baseline.symbols = false;
    baseline.function("f", 1, {reads("a")});
    baseline.function("g", 2, {reads("a")});
    baseline.global("a", {0, 0, 0, 0});
    baseline.global("b", {0, 0, 0, 0});
    ProgramMaker updated;
    updated.symbols = false;
    updated.function("f", 1, {reads("a")});
    updated.function("g", 2, {reads("b")});
    updated.global("a", {0, 0, 0, 0});
    updated.global("b", {0, 0, 0, 0});
    const auto a = baseline.make();
    const auto b = updated.make();
    EXPECT_THAT(codes_of(compare(*a, *b)), testing::Contains(Code::data_unmapped));
}

TEST(State, AnUnnamedGlobalThatNothingReachesByCountingMayLieAnywhere) {
    for (const bool taken : {false, true}) {
        const auto program = [taken](std::size_t size) {
            ProgramMaker maker;
            maker.symbols = false;
            maker.function("f", 1, {taken ? takes("a") : reads("a")});
            maker.function("g", 2, {reads("b")});
            maker.global("a", Bytes(size));
            maker.global("b", Bytes(4));
            return maker;
        };
        ProgramMaker baseline = program(4);
        ProgramMaker updated = program(8);
        const auto a = baseline.make();
        const auto b = updated.make();
        const ChangeSet set = compare(*a, *b);
        EXPECT_EQ(set.no_change(), !taken);
        EXPECT_EQ(codes_of(set).empty(), !taken);
    }
}

TEST(State, AnUnnamedGlobalDoesNotMoveAwayFromAPlaceThatIsStillThere) {
    const auto program = [](const std::string& read_by_f) {
        ProgramMaker maker;
        maker.symbols = false;
        maker.function("f", 1, {reads(read_by_f)});
        maker.function("g", 2, {takes("array")});
        maker.function("h", 3, {reads("before")});
        maker.function("i", 4, {reads("behind")});
        for (const char* label : {"array", "before", "one", "behind", "other"})
            maker.global(label, Bytes(4));
        return maker;
    };
    ProgramMaker baseline = program("one");
    ProgramMaker updated = program("other");
    const auto a = baseline.make();
    const auto b = updated.make();
    EXPECT_THAT(codes_of(compare(*a, *b)), testing::Contains(Code::data_unmapped));
}

TEST(State, RefusesAnotherInitialValue) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("limit")});
    baseline.global("limit", {100, 0, 0, 0});
    ProgramMaker updated;
    updated.function("f", 1, {reads("limit")});
    updated.global("limit", {200, 0, 0, 0});
    const auto a = baseline.make();
    const auto b = updated.make();
    const ChangeSet set = compare(*a, *b);
    ASSERT_THAT(codes_of(set), ElementsAre(Code::data_initial_value_changed));
    EXPECT_EQ(set.refusals[0].place().function, "limit");
    EXPECT_EQ(set.refusals[0].detail(), "limit: byte +0x0 starts as 0xc8, started as 0x64");
}

TEST(State, RefusesALivePointerToWhatChanged) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("version", 8)});
    baseline.pointers("version", {".text"}, true);
    baseline.text(".text", "1.0");
    ProgramMaker updated;
    updated.function("f", 1, {reads("version", 8)});
    updated.pointers("version", {".text"}, true);
    updated.text(".text", "1.1");
    const auto a = baseline.make();
    const auto b = updated.make();
    EXPECT_THAT(codes_of(compare(*a, *b)), ElementsAre(Code::data_initial_value_changed));
}

TEST(State, RefusesAnotherSize) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("hits")});
    baseline.global("hits", Bytes(40), true);
    ProgramMaker updated;
    updated.function("f", 2, {takes("hits")});
    updated.global("hits", Bytes(48), true);
    const auto a = baseline.make();
    const auto b = updated.make();
    EXPECT_THAT(codes_of(compare(*a, *b)), testing::Contains(Code::data_resized));
}

TEST(State, RefusesNewCodeThatReachesOverMoreThanTheBaselineHas) {
    // No size is known, as with COFF symbols: the next name bounds it.
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("hits")});
    baseline.global("hits", Bytes(40));
    baseline.global("next", Bytes(4));
    ProgramMaker updated;
    updated.function("f", 2, {takes("hits")});
    updated.global("hits", Bytes(48));
    updated.global("next", Bytes(4));
    const auto a = baseline.make();
    const auto b = updated.make();
    EXPECT_THAT(codes_of(compare(*a, *b)), ElementsAre(Code::data_resized));
}

TEST(State, RefusesARenamedGlobal) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("old")});
    baseline.function("g", 2, {reads("old")});
    baseline.global("old", {0, 0, 0, 0});
    ProgramMaker updated;
    updated.function("f", 1, {reads("renamed")});
    updated.function("g", 2, {reads("renamed")});
    updated.global("renamed", {0, 0, 0, 0});
    const auto a = baseline.make();
    const auto b = updated.make();
    EXPECT_THAT(codes_of(compare(*a, *b)), testing::Each(Code::data_unmapped));
    EXPECT_FALSE(compare(*a, *b).refusals.empty());
}

TEST(State, AnAddressThatMayBeTheEndOfOneObjectOrTheNextIsRefusedWhereTheyPart) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("array"), takes("other")});
    baseline.global("array", Bytes(16), true);
    baseline.global("other", Bytes(16), true);
    ProgramMaker updated;
    updated.function("f", 2, {takes("array"), takes("fresh")});
    updated.global("array", Bytes(16), true);
    updated.global("fresh", Bytes(16), true);
    updated.global("other", Bytes(16), true);
    const auto a = baseline.make();
    const auto b = updated.make();
    EXPECT_THAT(codes_of(compare(*a, *b)), ElementsAre(Code::data_boundary_ambiguous));
}

TEST(State, AdjoiningConstantsThatMayBeOneAreCopiedTogether) {
    ProgramMaker baseline;
    baseline.function("f", 1, {takes("array"), takes("next")});
    baseline.constant("array", {1, 2, 3, 4});
    baseline.constant("next", {5, 6, 7, 8});
    ProgramMaker updated;
    updated.function("f", 1, {takes("array"), takes("next")});
    updated.constant("array", {1, 2, 3, 40});
    updated.constant("next", {5, 6, 7, 8});
    const auto a = baseline.make();
    const auto b = updated.make();
    const ChangeSet set = compare(*a, *b);
    EXPECT_THAT(codes_of(set), IsEmpty());
    ASSERT_EQ(set.data.size(), 1u);
    EXPECT_EQ(set.functions[0].destinations,
              (std::vector<Destination>{ToData{updated.at("array"), 0}, ToData{updated.at("array"), 4}}));
}

} // namespace
} // namespace suture::diff
