#include "engine/patch/ledger.hpp"
#include "engine/patch/state.hpp"
#include "tests/engine/patch/patched_world.hpp"

#include <algorithm>

namespace suture::patch {
namespace {

using package::Global;
using What = StateNote::What;

class StateTest : public test::PatchedWorld {
  protected:
    static constexpr Rva kData{0x2000};

    /// A package that brings globals, in a page of data that holds its sequence throughout.
    Bytes package_with(std::uint32_t sequence, std::vector<Global> globals) const {
        package::Contents contents = this->contents(sequence);
        contents.sections.push_back({".data", kData, Bytes(0x40, static_cast<std::uint8_t>(sequence)), 0x40});
        contents.manifest.globals = std::move(globals);
        return write(contents);
    }
    Report applied(std::uint32_t sequence, std::vector<Global> globals) {
        auto report = apply_file(package_with(sequence, std::move(globals)));
        EXPECT_TRUE(report) << report.error().message();
        return report ? *report : Report();
    }
    Report rolled_back_to(std::uint32_t sequence) {
        auto report = rollback(target_, "app.dll", sequence, {});
        EXPECT_TRUE(report) << report.error().message();
        return report ? *report : Report();
    }
    Va data_of(std::uint32_t sequence) {
        return find_ledgers(target_)->front().version(sequence)->image.begin + kData.value;
    }
    static std::vector<std::pair<std::string, What>> notes_of(const Report& report) {
        std::vector<std::pair<std::string, What>> notes;
        for (const StateNote& note : report.state)
            notes.emplace_back(note.name, note.what);
        return notes;
    }
    using Notes = std::vector<std::pair<std::string, What>>;
};

TEST_F(StateTest, GlobalsOfBothVersionsKeepTheirValuesForwardAndBack) {
    EXPECT_EQ(notes_of(applied(1, {{"count", kData, 8}, {"gone", kData + 8, 4}})), Notes{});
    target_.poke(data_of(1), Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9});
    const Report report = applied(2, {{"fresh", kData, 8}, {"count", kData + 0x10, 8}});
    EXPECT_EQ(notes_of(report), (Notes{{"fresh", What::begins}, {"count", What::kept}, {"gone", What::left}}));
    EXPECT_EQ(target_.peek(data_of(2) + 0x10, 8), (Bytes{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(target_.peek(data_of(2), 0x10), Bytes(0x10, 2)) << "what only the later one has";
    EXPECT_EQ(target_.peek(data_of(2) + 0x18, 8), Bytes(8, 2));

    target_.poke(data_of(2) + 0x10, Bytes(8, 0x77));
    EXPECT_EQ(notes_of(rolled_back_to(1)),
              (Notes{{"count", What::kept}, {"gone", What::begins}, {"fresh", What::left}}));
    EXPECT_EQ(target_.peek(data_of(1), 12), (Bytes{0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 9, 9, 9, 9}));

    // Once more from there: a version that the process has already gets the values too.
    target_.poke(data_of(1), Bytes(8, 0x55));
    applied(2, {{"fresh", kData, 8}, {"count", kData + 0x10, 8}});
    EXPECT_EQ(target_.peek(data_of(2) + 0x10, 8), Bytes(8, 0x55));
}

TEST_F(StateTest, ByTheBaselineNothingIsCarried) {
    applied(1, {{"count", kData, 8}});
    target_.poke(data_of(1), Bytes(8, 0x33));
    EXPECT_EQ(notes_of(rolled_back_to(0)), Notes{});
    EXPECT_EQ(notes_of(applied(2, {{"count", kData, 8}})), Notes{});
    EXPECT_EQ(target_.peek(data_of(2), 8), Bytes(8, 2));
    EXPECT_EQ(target_.peek(data_of(1), 8), Bytes(8, 0x33));
}

TEST_F(StateTest, NamesThatAreMissingOrNotUniqueMatchNothing) {
    applied(1, {{"", kData, 8}, {"twice", kData + 8, 8}, {"twice", kData + 0x10, 8}, {"once", kData + 0x18, 8}});
    target_.poke(data_of(1), Bytes(0x20, 0x44));
    const Report report =
        applied(2, {{"", kData, 8}, {"twice", kData + 8, 8}, {"once", kData + 0x18, 4}, {"once", kData + 0x1c, 4}});
    EXPECT_EQ(notes_of(report), (Notes{{"", What::begins},
                                       {"twice", What::begins},
                                       {"once", What::begins},
                                       {"once", What::begins},
                                       {"", What::left},
                                       {"twice", What::left},
                                       {"twice", What::left},
                                       {"once", What::left}}));
    EXPECT_EQ(target_.peek(data_of(2), 0x20), Bytes(0x20, 2));
}

TEST_F(StateTest, NumbersOfACompilationAreNoNames) {
    applied(1, {{"count.0", kData, 8}, {"count.", kData + 8, 8}, {"7", kData + 0x10, 8}});
    const Report report = applied(2, {{"count.0", kData, 8}, {"count.", kData + 8, 8}, {"7", kData + 0x10, 8}});
    EXPECT_EQ(notes_of(report), (Notes{{"count.0", What::begins},
                                       {"count.", What::kept},
                                       {"7", What::begins},
                                       {"count.0", What::left},
                                       {"7", What::left}}));
}

TEST_F(StateTest, NamesCountToTheirEndAlthoughTheLedgerKeepsTheirBeginning) {
    const std::string name(200, 'n');
    applied(1, {{name + "1", kData, 8}, {name + "2", kData + 8, 8}});
    target_.poke(data_of(1), Bytes{1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2});
    const Report report = applied(2, {{name + "2", kData, 8}});
    EXPECT_EQ(target_.peek(data_of(2), 8), Bytes(8, 2));
    ASSERT_EQ(report.state.size(), 2u);
    EXPECT_EQ(report.state[0].name, name.substr(0, kMaxGlobalName));
}

TEST_F(StateTest, AnotherSizeIsRefusedAndNothingHasChanged) {
    applied(1, {{"count", kData, 8}});
    const auto before = target_.pages();
    const auto result = apply_file(package_with(2, {{"count", kData, 4}}));
    EXPECT_EQ(error_of(result).code(), Code::global_resized);
    EXPECT_NE(error_of(result).message().find("count"), std::string::npos);
    EXPECT_EQ(target_.pages(), before);
    // Where nobody uses the value any more, there is none to keep.
    rolled_back_to(0);
    EXPECT_TRUE(apply_file(package_with(2, {{"count", kData, 4}})));
    // Going back must be possible: the value is lost, and told so.
    EXPECT_EQ(notes_of(rolled_back_to(1)), (Notes{{"count", What::resized}}));
}

TEST_F(StateTest, IsToldBeforeAnythingIsDone) {
    applied(1, {{"count", kData, 8}});
    const auto before = target_.pages();
    unsigned told = 0;
    Options options;
    options.before_commit = [&](std::span<const StateNote> notes) {
        ++told;
        ASSERT_EQ(notes.size(), 1u);
        EXPECT_EQ(notes[0].what, What::left);
        EXPECT_EQ(notes[0].module, "APP.dll");
        EXPECT_EQ(target_.pages(), before);
    };
    ASSERT_TRUE(apply_file(package_with(2, {}), options));
    EXPECT_EQ(told, 1u);
}

TEST_F(StateTest, IsCarriedOnlyWhileNoThreadIsInTheVersionThatGoesWhateverTheConsistency) {
    applied(1, {{"count", kData, 8}});
    Options options;
    options.consistency = Consistency::none;
    const Va inside = call(kPadded) + 5;
    target_.threads = [=](unsigned) {
        target::ThreadState thread;
        thread.id = 77;
        thread.ip = inside;
        return std::vector{thread};
    };
    const Bytes later = package_with(2, {{"count", kData, 8}});
    EXPECT_EQ(error_of(apply_file(later, options)).code(), Code::not_quiescent);
    EXPECT_EQ(error_of(rollback(target_, "app.dll", 0, {})).code(), Code::not_quiescent);
    EXPECT_TRUE(rollback(target_, "app.dll", 0, options)) << "nothing is carried to the baseline";
    EXPECT_TRUE(apply_file(later, options)) << "nor from it";
}

TEST_F(StateTest, AValueThatCannotBeCarriedStopsTheCommit) {
    applied(1, {{"count", kData, 8}});
    const Va data = data_of(1);
    const auto before = target_.pages();
    target_.before_call = [&](unsigned, std::string_view name) -> std::optional<Error> {
        if (name == "write_code")
            return Error(Code::target_write_failed, "arranged");
        return std::nullopt;
    };
    EXPECT_FALSE(apply_file(package_with(2, {{"count", kData, 8}})));
    target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
    EXPECT_EQ(target_.pages(), before);
    EXPECT_EQ(data_of(1), data);
}

} // namespace
} // namespace suture::patch
