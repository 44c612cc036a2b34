// What the loader has done with the baseline by the time it is patched: imports, initialisers, what it was told of
// calls.
#include "patchgen/diff/change_set.hpp"
#include "tests/patchgen/diff/made_up_program.hpp"

#include <gmock/gmock.h>

namespace suture::diff {
namespace {

using test::calls;
using test::ProgramMaker;
using test::reads;
using testing::ElementsAre;

ChangeSet compared(ProgramMaker& from, ProgramMaker& to) {
    const auto baseline = from.make();
    const auto updated = to.make();
    return compare(*baseline, *updated);
}

std::vector<std::string> changed(const ChangeSet& set) {
    std::vector<std::string> names;
    for (const Change& change : set.changes)
        names.push_back(change.name);
    return names;
}

std::vector<Code> codes(const ChangeSet& set) {
    std::vector<Code> result;
    for (const Error& error : set.refusals)
        result.push_back(error.code());
    return result;
}

ProgramMaker with_functions() {
    ProgramMaker maker;
    maker.function("main", 1, {calls("f"), calls("g")});
    maker.function("f", 2);
    maker.function("g", 3);
    return maker;
}

TEST(Loading, AnImportByOrdinalIsTheOneOfItsNumber) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("#7", 8)});
    baseline.import("OLEAUT32.dll", 7);
    ProgramMaker updated;
    updated.function("f", 1, {reads("#8", 8)});
    updated.import("OLEAUT32.dll", 8);
    const ChangeSet set = compared(baseline, updated);
    EXPECT_THAT(changed(set), ElementsAre("f"));
    EXPECT_EQ(set.functions.at(0).destinations, std::vector<Destination>{(ToNewImport{"OLEAUT32.dll", "", 8})});
}

TEST(Loading, AnImportByOrdinalMayHaveAnotherSlot) {
    ProgramMaker baseline;
    baseline.function("f", 1, {reads("#7", 8)});
    baseline.import("OLEAUT32.dll", 7);
    ProgramMaker updated;
    updated.function("f", 1, {reads("#7", 8)});
    updated.import("OLEAUT32.dll", 8);
    updated.import("oleaut32.DLL", 7);
    EXPECT_TRUE(compared(baseline, updated).no_change());
}

TEST(Loading, AnImportThatIsNoLongerDelayedIsAnother) {
    ProgramMaker baseline = with_functions();
    baseline.function("user", 4, {reads("Sleep", 8)});
    baseline.delayed_import("KERNEL32.dll", "Sleep", "f");
    ProgramMaker updated = with_functions();
    updated.function("user", 4, {reads("Sleep", 8)});
    updated.import("KERNEL32.dll", "Sleep");
    EXPECT_THAT(changed(compared(baseline, updated)), ElementsAre("user"));
}

TEST(Loading, ADelayedImportThatIsBoundAsBeforeIsNoChange) {
    ProgramMaker baseline = with_functions();
    baseline.function("user", 4, {reads("Sleep", 8)});
    baseline.delayed_import("KERNEL32.dll", "Sleep", "f");
    ProgramMaker updated;
    updated.function("user", 4, {reads("Sleep", 8)});
    updated.function("g", 3);
    updated.function("f", 2);
    updated.function("main", 1, {calls("f"), calls("g")});
    updated.delayed_import("KERNEL32.dll", "Sleep", "f");
    EXPECT_TRUE(compared(baseline, updated).no_change());
}

TEST(Loading, RefusesADelayedImportThatOtherCodeBinds) {
    ProgramMaker baseline = with_functions();
    baseline.function("user", 4, {reads("Sleep", 8)});
    baseline.delayed_import("KERNEL32.dll", "Sleep", "f");
    ProgramMaker updated = with_functions();
    updated.function("user", 4, {reads("Sleep", 8)});
    updated.delayed_import("KERNEL32.dll", "Sleep", "g");
    EXPECT_THAT(codes(compared(baseline, updated)), ElementsAre(Code::data_initial_value_changed));
}

TEST(Loading, RefusesAnotherListOfWhatPointersMayCall) {
    ProgramMaker baseline = with_functions();
    baseline.guarded("f");
    ProgramMaker more = with_functions();
    more.guarded("f");
    more.guarded("g");
    EXPECT_THAT(codes(compared(baseline, more)), ElementsAre(Code::loader_settings_changed));
    baseline = with_functions();
    baseline.guarded("f");
    more = with_functions();
    more.guarded("f");
    more.guarded("g");
    EXPECT_THAT(codes(compared(more, baseline)), ElementsAre(Code::loader_settings_changed));
}

TEST(Loading, WhatPointersMayCallMayLieElsewhere) {
    ProgramMaker baseline = with_functions();
    baseline.guarded("f");
    ProgramMaker updated;
    updated.function("g", 3);
    updated.function("f", 2);
    updated.function("main", 1, {calls("f"), calls("g")});
    updated.guarded("f");
    EXPECT_TRUE(compared(baseline, updated).no_change());
}

/// Once by the names of the runtime's ends, once as a section.
class Initialisers : public testing::TestWithParam<bool> {
  protected:
    static ProgramMaker program(std::vector<std::string> list, std::uint32_t tag_of_f = 2) {
        ProgramMaker maker;
        maker.function("main", 1, {calls("f"), calls("g")});
        maker.function("f", tag_of_f);
        maker.function("g", 3);
        if (GetParam()) {
            maker.initialisers(std::move(list));
        } else {
            maker.pointers("__xc_a", std::move(list));
            maker.constant("__xc_z", Bytes(8));
        }
        return maker;
    }
};

TEST_P(Initialisers, ThatAreTheSameAreNoChange) {
    ProgramMaker baseline = program({"f", "g"});
    ProgramMaker updated = program({"f", "g"});
    EXPECT_TRUE(compared(baseline, updated).no_change());
}

TEST_P(Initialisers, RefusesOneMore) {
    ProgramMaker baseline = program({"f"});
    ProgramMaker updated = program({"f", "g"});
    EXPECT_THAT(codes(compared(baseline, updated)), testing::Contains(Code::static_init_changed));
}

TEST_P(Initialisers, RefusesOneLess) {
    ProgramMaker baseline = program({"f", "g"});
    ProgramMaker updated = program({"f"});
    EXPECT_THAT(codes(compared(baseline, updated)), testing::Contains(Code::static_init_changed));
}

TEST_P(Initialisers, RefusesOneThatDiffers) {
    ProgramMaker baseline = program({"f"});
    ProgramMaker updated = program({"f"}, 20);
    const ChangeSet set = compared(baseline, updated);
    EXPECT_THAT(changed(set), ElementsAre("f"));
    EXPECT_THAT(codes(set), ElementsAre(Code::static_init_changed));
}

INSTANTIATE_TEST_SUITE_P(, Initialisers, testing::Bool(),
                         [](const auto& one) { return one.param ? "InASection" : "BetweenNames"; });

} // namespace
} // namespace suture::diff
