#include "engine/patch/standing.hpp"
#include "tests/engine/patch/patched_world.hpp"

namespace suture::patch {
namespace {

class StandingTest : public test::PatchedWorld {
  protected:
    std::vector<KnownBaseline> known_;

    std::vector<ModuleStatus> patched() { return *status(target_); }
    void learn_from_process() {
        for (const ModuleStatus& module : patched())
            learn(known_, module);
    }
    void learn_from_package(std::uint32_t sequence) {
        const Bytes file = write(contents(sequence));
        learn(known_, package::Package::parse(file)->manifest());
    }
    /// That of app.dll, which must be the only one.
    ModuleStanding standing() {
        const auto standings = standings_of(target_, patched(), known_);
        EXPECT_TRUE(standings);
        EXPECT_EQ(standings->size(), 1u);
        return standings->empty() ? ModuleStanding() : standings->front();
    }
};

TEST_F(StandingTest, NothingIsSaidOfWhatNoHotpatchIsKnownFor) {
    EXPECT_TRUE(standings_of(target_, patched(), known_)->empty());
}

TEST_F(StandingTest, AnUnpatchedModuleIsOldAndAPatchedOneNew) {
    learn_from_package(1);
    EXPECT_EQ(standing().standing, Standing::old);
    EXPECT_EQ(standing().newest, 1u);
    ASSERT_TRUE(apply_sequence(1));
    EXPECT_EQ(standing().standing, Standing::current);
    EXPECT_EQ(standing().active, 1u);
    learn_from_package(2);
    EXPECT_EQ(standing().standing, Standing::old);
    EXPECT_EQ(known_.size(), 1u);
}

TEST_F(StandingTest, AVersionThatWasRolledBackIsStillTheNewest) {
    ASSERT_TRUE(apply_sequence(1));
    ASSERT_TRUE(rollback(target_, "app.dll", 0, {}));
    learn_from_process();
    EXPECT_EQ(standing().standing, Standing::old);
    EXPECT_EQ(standing().newest, 1u);
}

TEST_F(StandingTest, ChangedCodeDiffersWhetherPatchedOrNot) {
    learn_from_package(1);
    target_.poke(kBase + kOther.value + 1, Bytes{0x77});
    EXPECT_EQ(standing().standing, Standing::differs);
    target_.poke(kBase + kOther.value + 1, Bytes{3});
    ASSERT_TRUE(apply_sequence(1));
    target_.poke(kBase + kOther.value + 1, Bytes{0x77});
    EXPECT_EQ(standing().standing, Standing::differs);
}

TEST_F(StandingTest, WhatWasCutOffNeedsRecover) {
    ASSERT_TRUE(apply_sequence(1));
    Ledger ledger = find_ledgers(target_)->front();
    ledger.phase = Phase::preparing;
    ledger.active = 0;
    target_.poke(ledger.block.committed().begin, *committed_bytes(ledger));
    learn_from_process();
    EXPECT_EQ(standing().standing, Standing::needs_recover);
}

TEST_F(StandingTest, AnotherBuildIsNotConcerned) {
    learn_from_package(1);
    known_.front().header.time_date_stamp ^= 1;
    EXPECT_TRUE(standings_of(target_, patched(), known_)->empty());
    learn_from_package(1);
    known_.back().module = "another.dll";
    EXPECT_TRUE(standings_of(target_, patched(), known_)->empty());
}

} // namespace
} // namespace suture::patch
