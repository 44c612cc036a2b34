#include "engine/patch/recovery.hpp"
#include "tests/engine/patch/two_modules.hpp"

namespace suture::patch {
namespace {

using suture::test::FakeTarget;
using test::PatchedModule;

class RecoverTest : public test::TwoModules {
  protected:
    /// The injector dies before its `count`th call of this name; later calls do nothing.
    template <class Operation>
    void die_at(std::string_view name, unsigned count, Operation operate) {
        bool dead = false;
        target_.before_call = [&](unsigned, std::string_view call) -> std::optional<Error> {
            dead = dead || (call == name && --count == 0);
            return dead ? std::optional(Error(Code::target_map_failed, "dead")) : std::nullopt;
        };
        EXPECT_FALSE(operate());
        EXPECT_TRUE(dead);
        target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
    }
    void die_in_apply(std::string_view name, unsigned count) {
        die_at(name, count, [&] { return apply_files({a_.package(2, true)}); });
    }
    void die_in_apply_of_two(std::string_view name, unsigned count) {
        die_at(name, count, [&] { return apply_files({a_.package(2, true), b_.package(2, true)}); });
    }
    void expect_refused(const Result<Report>& result, Code code) {
        ASSERT_FALSE(result);
        EXPECT_EQ(text_of(result.error().code()), text_of(code)) << result.error().message();
    }
    std::string recovery_of_first() { return status(target_)->front().recovery; }
    static target::ThreadState thread_at(Va ip) {
        target::ThreadState thread;
        thread.id = 77;
        thread.ip = ip;
        return thread;
    }
};

TEST_F(RecoverTest, SaysThatThereIsNothingToRecover) {
    expect_refused(recover(target_, {}), Code::nothing_to_recover);
    ASSERT_TRUE(apply_files({a_.package(1, false)}));
    const auto before = target_.pages();
    expect_refused(recover(target_, {}), Code::nothing_to_recover);
    EXPECT_EQ(target_.pages(), before);
}

TEST_F(RecoverTest, AFirstPackageIsTakenOut) {
    const auto before = target_.pages();
    die_in_apply("write_code", 1);
    EXPECT_NE(target_.pages(), before);
    EXPECT_EQ(recovery_of_first(), "take sequence 2 out, every byte as before");
    const auto report = recover(target_, {});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(target_.pages(), before);
    ASSERT_EQ(report->modules.size(), 1u);
    EXPECT_EQ(report->modules[0].state, "removed");
    EXPECT_FALSE(target_.has_workshop());
}

TEST_F(RecoverTest, ALaterPackageIsTakenOutAndTheEarlierOneStaysInForce) {
    ASSERT_TRUE(apply_files({a_.package(1, false)}));
    die_at("replace", 5, [&] { return apply_files({a_.package(2, true)}); }); // after cells, stubs and continuations
    EXPECT_EQ(recovery_of_first(), "take sequence 2 out; sequence 1 stays in force");
    const auto report = recover(target_, {});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->modules[0].sequence, 1u);
    EXPECT_EQ(report->modules[0].functions, 2u);
    const auto modules = status(target_);
    ASSERT_EQ(modules->front().versions.size(), 1u);
    EXPECT_TRUE(modules->front().findings.empty());
    EXPECT_EQ(a_.version(target_), 1u);
    EXPECT_TRUE(apply_files({a_.package(2, true)}));
    EXPECT_EQ(a_.version(target_), 2u);
}

TEST_F(RecoverTest, ARemovalIsFinishedAlsoWhereTheProgramHasWrittenToNewGlobals) {
    const auto before = target_.pages();
    ASSERT_TRUE(apply_files({a_.package(2, true)}));
    const Ledger ledger = find_ledgers(target_)->front();
    for (const LedgerPages& pages : ledger.versions.front().pages)
        if (pages.protection == target::Protection::read_write)
            target_.poke(pages.range.begin, Bytes{1, 2, 3});
    die_at("write_code", 2, [&] { return remove(target_, "a.dll", {}); });
    EXPECT_EQ(recovery_of_first(), "finish the removal, every byte as before");
    ASSERT_TRUE(recover(target_, {}));
    EXPECT_EQ(target_.pages(), before);
}

/// In the stop of an apply: the commit of the second module does not take place. A first commit is a write, a later one
/// replaces pages.
class HalfCommittedTest : public RecoverTest, public testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(Commits, HalfCommittedTest, testing::Values("write_code", "replace"),
                         [](const auto& tested) { return tested.param; });

TEST_P(HalfCommittedTest, TheOthersFollow) {
    const bool later = GetParam() == "replace";
    for (unsigned count = 1; count < 20; ++count) {
        fresh();
        if (later) {
            ASSERT_TRUE(apply_files({a_.package(1, false), b_.package(1, false)}));
            for (const PatchedModule* module : {&a_, &b_})
                target_.poke(module->global(target_, 1), Bytes(8, 0x77));
        }
        unsigned committed = 0;
        die_in_apply_of_two(GetParam(), count);
        const auto modules = status(target_);
        for (const ModuleStatus& module : *modules)
            committed += module.phase == Phase::live && module.active == 2;
        const bool half = a_.version(target_) != b_.version(target_);
        EXPECT_EQ(half, committed == 1);
        if (committed == 0)
            continue;
        for (const ModuleStatus& module : *modules)
            EXPECT_EQ(module.recovery, module.phase == Phase::live
                                           ? ""
                                           : "put sequence 2 in force, as in the other modules of the update");
        // Nothing else may happen to any of the update's modules before.
        expect_refused(rollback(target_, "a.dll", std::nullopt, {}), Code::needs_recover);
        expect_refused(rollback(target_, "b.dll", std::nullopt, {}), Code::needs_recover);
        expect_refused(remove(target_, "a.dll", {}), Code::needs_recover);
        expect_refused(apply_files({a_.package(3, true)}), Code::needs_recover);
        const auto report = recover(target_, {});
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(a_.version(target_), 2u);
        EXPECT_EQ(b_.version(target_), 2u);
        for (const PatchedModule* module : {&a_, &b_})
            EXPECT_EQ(target_.peek(module->global(target_, 2), 8), Bytes(8, later ? 0x77 : 0x22));
        EXPECT_TRUE(rollback(target_, "a.dll", 0, {}));
        EXPECT_EQ(a_.version(target_), 0u);
        EXPECT_EQ(b_.version(target_), 2u);
        return;
    }
    FAIL() << "no death leaves one module committed and the other one not";
}

TEST_F(RecoverTest, WhereNoModuleOfAnUpdateIsCommittedNoneWillBe) {
    const auto before = target_.pages();
    die_in_apply_of_two("write_code", 2);
    const auto modules = status(target_);
    EXPECT_EQ(modules->size(), 2u);
    ASSERT_TRUE(recover(target_, {}));
    EXPECT_EQ(target_.pages(), before);
}

TEST_F(RecoverTest, ASiteThatIsNeitherIsNamedAndNothingIsChanged) {
    die_in_apply("write_code", 1);
    target_.poke(a_.at(PatchedModule::kPrologue), Bytes{0x90, 0x90});
    const auto before = target_.pages();
    const auto result = recover(target_, {});
    expect_refused(result, Code::verification_failed);
    EXPECT_EQ(result.error().place().rva, PatchedModule::kPrologue);
    EXPECT_EQ(target_.pages(), before);
}

TEST_F(RecoverTest, ASiteMayBeWrittenInItsFirstPageOnly) {
    const auto before = target_.pages();
    die_in_apply("write_code", 2); // the commit: all sites are written
    const Va site = a_.at(PatchedModule::kAcross);
    EXPECT_EQ(target_.peek(site, 1), Bytes{0xe9});
    target_.poke(site + 3, Bytes{0xec, 0x20}); // the baseline's, in the second page
    const auto recovered = recover(target_, {});
    ASSERT_TRUE(recovered) << recovered.error().message();
    EXPECT_EQ(target_.pages(), before);
}

TEST_F(RecoverTest, WhatSomebodyElseMappedMeanwhileIsLeftAlone) {
    die_in_apply("write_code", 1);
    const LedgerPages pages = find_ledgers(target_)->front().versions.front().pages.front();
    // The version's pages were never mapped, or are gone; something else lies there.
    ASSERT_TRUE(target_.unmap({&pages.range, 1}));
    target_.add_pages(pages.range.begin, Bytes(FakeTarget::kPage, 0x77), pages.protection);
    const auto report = recover(target_, {});
    ASSERT_TRUE(report) << report.error().message();
    ASSERT_EQ(report->left.size(), 1u);
    EXPECT_EQ(report->left[0], (VaRange{pages.range.begin, pages.range.size}));
    EXPECT_EQ(target_.peek(pages.range.begin, 1), Bytes{0x77});
}

TEST_F(RecoverTest, WaitsForThreadsInWhatItFrees) {
    die_in_apply("write_code", 2); // the commit
    const Ledger ledger = find_ledgers(target_)->front();
    const auto before = target_.pages();
    for (const Va inside : {ledger.block.continuation(2), ledger.block.stub(1), a_.at(PatchedModule::kPrologue) + 2}) {
        target_.threads = [&](unsigned) { return std::vector{thread_at(inside)}; };
        expect_refused(recover(target_, {}), Code::not_quiescent);
        EXPECT_EQ(target_.pages(), before);
    }
    target_.threads = [](unsigned) { return std::vector<target::ThreadState>{}; };
    EXPECT_TRUE(recover(target_, {}));
}

TEST_F(RecoverTest, AModuleThatWasUnloadedMeanwhileIsGivenUp) {
    die_in_apply("replace", 2);
    target_.unload_module("a.dll");
    const auto report = recover(target_, {});
    ASSERT_TRUE(report) << report.error().message();
    FakeTarget other;
    b_.load(other);
    EXPECT_EQ(target_.pages(), other.pages());
}

TEST_F(RecoverTest, WhatIsLeftOfAModuleThatWasUnloadedIsFreed) {
    for (const bool again : {false, true}) {
        fresh();
        const auto before = target_.pages();
        ASSERT_TRUE(apply_files({a_.package(1, false), b_.package(1, false)}));
        EXPECT_FALSE(recover(target_, {}));
        const Va code = find_ledgers(target_)->front().versions.front().image.begin + package::kFirstSection.value;
        target_.unload_module("a.dll");
        if (again)
            a_.load(target_);
        const auto modules = status(target_);
        EXPECT_EQ(modules->at(0).recovery, "free its pages: the module was unloaded");
        EXPECT_EQ(modules->at(1).recovery, "");
        expect_refused(apply_files({a_.package(1, false)}), again ? Code::needs_recover : Code::module_not_loaded);
        // A thread may have called it, and come back when it is there again.
        target_.threads = [&](unsigned) { return std::vector{thread_at(code)}; };
        expect_refused(recover(target_, {}), Code::not_quiescent);
        target_.threads = [](unsigned) { return std::vector<target::ThreadState>{}; };
        const auto report = recover(target_, {});
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(b_.version(target_), 1u);
        ASSERT_TRUE(remove(target_, "b.dll", {}));
        if (!again)
            a_.load(target_);
        EXPECT_EQ(target_.pages(), before);
        EXPECT_TRUE(apply_files({a_.package(1, false)}));
    }
}

TEST_F(RecoverTest, AModuleThatIsUnloadedAfterItWasListedIsNoticed) {
    ASSERT_TRUE(apply_files({a_.package(1, false)}));
    unsigned lists = 0;
    target_.before_call = [&](unsigned, std::string_view call) -> std::optional<Error> {
        if (call == "modules" && ++lists == 2)
            target_.unload_module("a.dll");
        return std::nullopt;
    };
    const auto report = recover(target_, {});
    EXPECT_TRUE(report) << report.error().message();
    EXPECT_GE(lists, 2u);
    FakeTarget other;
    b_.load(other);
    EXPECT_EQ(target_.pages(), other.pages());
}

TEST_F(RecoverTest, NothingIsFreedOfAModuleThatIsHiddenOnly) {
    ASSERT_TRUE(apply_files({a_.package(1, false)}));
    target_.hide_module("a.dll");
    EXPECT_EQ(recovery_of_first(), "");
    expect_refused(recover(target_, {}), Code::nothing_to_recover);
    EXPECT_EQ(a_.version(target_), 1u);
}

TEST_F(RecoverTest, WhereOneSiteIsLeftNothingIsFreed) {
    ASSERT_TRUE(apply_files({a_.package(1, false)}));
    target_.poke(a_.at(PatchedModule::kPrologue), PatchedModule::old_code(PatchedModule::kPrologue));
    expect_refused(recover(target_, {}), Code::nothing_to_recover);
    expect_refused(apply_files({a_.package(2, false)}), Code::verification_failed);
}

TEST_F(RecoverTest, AModuleThatIsBusyDoesNotHoldUpTheOthers) {
    ASSERT_TRUE(apply_files({b_.package(2, true)}));
    die_in_apply("write_code", 2); // the commit
    const Ledger busy = find_ledgers(target_)->front();
    ASSERT_EQ(busy.module, "a.dll");
    die_at("write_code", 1, [&] { return remove(target_, "b.dll", {}); });
    target_.threads = [&](unsigned) { return std::vector{thread_at(busy.block.continuation(2))}; };
    expect_refused(recover(target_, {}), Code::not_quiescent);
    const auto modules = status(target_);
    ASSERT_EQ(modules->size(), 1u);
    EXPECT_EQ(modules->front().module, "a.dll");
    EXPECT_EQ(b_.version(target_), 0u);
}

TEST_F(RecoverTest, WhatNoLedgerTellsOfIsFreed) {
    const auto before = target_.pages();
    const target::Mapping mapping{{Va{0x7ff6'2000'0000}, FakeTarget::kPage}, Bytes{1}, target::Protection::read};
    ASSERT_TRUE(target_.map({&mapping, 1}));
    EXPECT_EQ(leftovers(target_)->bytes(), 2 * FakeTarget::kPage); // and the implementation's own page
    const auto report = recover(target_, {});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->freed, 2 * FakeTarget::kPage);
    EXPECT_EQ(target_.pages(), before);
    expect_refused(recover(target_, {}), Code::nothing_to_recover);
}

} // namespace
} // namespace suture::patch
