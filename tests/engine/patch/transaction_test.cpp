#include "engine/patch/ledger.hpp"
#include "engine/patch/status.hpp"
#include "engine/patch/transaction.hpp"
#include "tests/engine/patch/patched_world.hpp"

#include <gmock/gmock.h>

namespace suture::patch {
namespace {

using suture::test::FakeTarget;
using test::kOldPadded;
using test::kOldPrologue;

class TransactionTest : public test::PatchedWorld {
  protected:
    Bytes new_code(std::uint32_t sequence) const {
        return {0xb8, static_cast<std::uint8_t>(100 + sequence), 0, 0, 0, 0xc3};
    }
    void expect_baseline_behaviour() {
        EXPECT_EQ(called_code(kPadded, 5), kOldPadded);
        EXPECT_EQ(called_code(kPrologue, 5), kOldPrologue);
    }
    void expect_version(std::uint32_t sequence) {
        EXPECT_EQ(called_code(kPadded), new_code(sequence));
        EXPECT_EQ(called_code(kPrologue), new_code(sequence));
    }
    void expect_intact(std::uint32_t active) {
        const auto modules = status(target_);
        ASSERT_TRUE(modules) << modules.error().message();
        ASSERT_EQ(modules->size(), 1u);
        EXPECT_EQ(modules->front().active, active);
        EXPECT_EQ(modules->front().phase, Phase::live);
        EXPECT_TRUE(modules->front().findings.empty()) << modules->front().findings.front().what;
    }
    /// A thread that stands at `ip` at the first `stops` stops, and elsewhere from then on.
    void thread_at(Va ip, unsigned stops) {
        target_.threads = [=](unsigned stop) {
            target::ThreadState thread;
            thread.id = 77;
            thread.ip = stop <= stops ? ip : kSystem + 0x1080;
            return std::vector{thread};
        };
    }
};

TEST_F(TransactionTest, ApplyRedirectsEveryFunctionAndNothingElse) {
    const auto report = apply_sequence(1);
    ASSERT_TRUE(report) << report.error().message();
    expect_version(1);
    EXPECT_EQ(call(kOther), kBase + kOther.value);
    expect_intact(1);
    ASSERT_EQ(report->modules.size(), 1u);
    EXPECT_EQ(report->modules[0].functions, 2u);
    EXPECT_EQ(report->modules[0].sequence, 1u);
    EXPECT_EQ(report->attempts, 1u);
}

TEST_F(TransactionTest, APadOfSixBytesJumpsThroughItsCellAndMakesRoomAgain) {
    const Bytes before = module_bytes();
    package::Contents wide = contents(1);
    const isa::Site site{isa::SiteKind::x64_padded, kPadded, 2, kPadded - 6, 5, 6};
    wide.manifest.functions.front() = replacement(kPadded, 6, site, package::kFirstSection);
    ASSERT_TRUE(apply_file(write(wide)));
    expect_version(1);
    expect_intact(1);
    const Va pad = kBase + site.pad.value;
    EXPECT_EQ(target_.peek(pad + 6, 2), (Bytes{0xeb, 0xf8}));
    const auto jump = isa::isa_for(Machine::x64)->jump_at(target_.peek(pad, 6), pad);
    ASSERT_TRUE(jump);
    EXPECT_TRUE(jump->indirect) << "no stub is needed on the way";
    const auto ledgers = find_ledgers(target_);
    ASSERT_TRUE(ledgers);
    EXPECT_EQ(jump->to, ledgers->front().block.cell(1));
    ASSERT_TRUE(rollback(target_, "app.dll", std::nullopt, {}));
    expect_baseline_behaviour();
    ASSERT_TRUE(remove(target_, "app.dll", {}));
    EXPECT_EQ(module_bytes(), before);
}

TEST_F(TransactionTest, FixupsLeadIntoTheModuleWhereItIsLoaded) {
    ASSERT_TRUE(apply_sequence(1));
    const Va caller = call(kPadded) + 0x20;
    const auto displacement = ByteView(target_.peek(caller + 1, 4)).read<std::int32_t>(0);
    EXPECT_EQ((caller + 5 + static_cast<std::uint64_t>(std::int64_t{*displacement})), kBase + kOther.value);
}

TEST_F(TransactionTest, RvasOfThePackageAreDistancesFromTheBaseOfTheModule) {
    package::Contents with_rva = contents(1);
    const Rva field = package::kFirstSection + 0x34;
    with_rva.manifest.fixups.push_back({package::FixupKind::image_relative32, field, package::kFirstSection + 0x30, 0});
    ASSERT_TRUE(apply_file(write(with_rva)));
    const Va image = call(kPadded) - package::kFirstSection.value;
    EXPECT_GT(image, kBase);
    EXPECT_EQ(kBase + *ByteView(target_.peek(image + field.value, 4)).read<std::uint32_t>(0),
              image + package::kFirstSection.value + 0x30);
}

TEST_F(TransactionTest, NoPageIsEverWritableAndExecutableAndOnlyDataIsWritable) {
    ASSERT_TRUE(apply_sequence(1));
    const auto regions = target_.regions();
    for (const target::Region& region : *regions) {
        EXPECT_FALSE(region.writable && region.executable);
        EXPECT_TRUE(!region.writable || (VaRange{kBase, 0x4000}.contains(region.range.begin)));
    }
}

TEST_F(TransactionTest, RollbackBringsTheBaselineBackThroughTheContinuations) {
    ASSERT_TRUE(apply_sequence(1));
    const auto report = rollback(target_, "app.dll", std::nullopt, {});
    ASSERT_TRUE(report) << report.error().message();
    expect_baseline_behaviour();
    expect_intact(0);
    const auto again = apply_sequence(1);
    ASSERT_TRUE(again) << again.error().message();
    expect_version(1);
    expect_intact(1);
}

TEST_F(TransactionTest, RemoveLeavesTheProcessAsItWas) {
    const auto before = target_.pages();
    ASSERT_TRUE(apply_sequence(1));
    ASSERT_NE(target_.pages(), before);
    const auto report = remove(target_, "App.DLL", {});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(target_.pages(), before);
    EXPECT_TRUE(status(target_)->empty());
}

TEST_F(TransactionTest, RemoveAfterARollbackLeavesTheProcessAsItWasToo) {
    const auto before = target_.pages();
    ASSERT_TRUE(apply_sequence(1));
    ASSERT_TRUE(rollback(target_, "app.dll", std::nullopt, {}));
    ASSERT_TRUE(remove(target_, "app.dll", {}));
    EXPECT_EQ(target_.pages(), before);
}

TEST_F(TransactionTest, AFirstCommitIsOneWriteAndThenSealed) {
    std::vector<std::string> in_stop;
    target_.before_call = [&](unsigned, std::string_view call) -> std::optional<Error> {
        if (target_.stopped())
            in_stop.emplace_back(call);
        return std::nullopt;
    };
    ASSERT_TRUE(apply_sequence(1));
    EXPECT_EQ(std::ranges::count(in_stop, "write_code"), 2); // the prologue site, and all cells
    EXPECT_EQ(std::ranges::count(in_stop, "replace"), 0);
    const VaRange committed = find_ledgers(target_)->front().block.committed();
    for (std::uint64_t page = 0; page < committed.size; page += kPage)
        EXPECT_TRUE(target_.pages().at(committed.begin + page).sealed) << page;
}

TEST_F(TransactionTest, ACommitThatCannotBeSealedIsInForceAndSaysSo) {
    bool committed = false;
    target_.before_call = [&](unsigned, std::string_view call) -> std::optional<Error> {
        committed = committed || call == "resume";
        return committed && call == "replace" ? std::optional(Error(Code::target_map_failed, "no")) : std::nullopt;
    };
    const auto report = apply_sequence(1);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), Code::verification_failed);
    EXPECT_THAT(report.error().message(), testing::HasSubstr("it is in force"));
    target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
    expect_version(1);
    expect_intact(1);
}

TEST_F(TransactionTest, ALaterSequenceReplacesAnEarlierOneAndCanBeRolledBackToIt) {
    ASSERT_TRUE(apply_sequence(1));
    ASSERT_TRUE(apply_sequence(2));
    expect_version(2);
    expect_intact(2);
    ASSERT_TRUE(rollback(target_, "app.dll", 1, {}));
    expect_version(1);
    ASSERT_TRUE(rollback(target_, "app.dll", 2, {}));
    expect_version(2);
    ASSERT_TRUE(rollback(target_, "app.dll", 0, {}));
    expect_baseline_behaviour();
}

TEST_F(TransactionTest, AFunctionThatTheLaterPackageDoesNotChangeGoesBackToBaseline) {
    ASSERT_TRUE(apply_sequence(1));
    package::Contents later = contents(2);
    later.manifest.functions.pop_back();
    const auto report = apply_file(write(later));
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(called_code(kPadded), new_code(2));
    EXPECT_EQ(called_code(kPrologue, 5), kOldPrologue);
    expect_intact(2);
}

TEST_F(TransactionTest, AFunctionThatOnlyTheLaterPackageChangesGetsItsSiteThen) {
    package::Contents earlier = contents(1);
    earlier.manifest.functions.pop_back();
    ASSERT_TRUE(apply_file(write(earlier)));
    EXPECT_EQ(call(kPrologue), kBase + kPrologue.value);
    const auto report = apply_sequence(2);
    ASSERT_TRUE(report) << report.error().message();
    expect_version(2);
    expect_intact(2);
    ASSERT_TRUE(rollback(target_, "app.dll", 1, {}));
    EXPECT_EQ(called_code(kPadded), new_code(1));
    EXPECT_EQ(called_code(kPrologue, 5), kOldPrologue);
}

TEST_F(TransactionTest, ImportsAreResolvedThroughForwarders) {
    package::Contents with_import = contents(1);
    const Rva rdata{0x2000};
    auto table = package::build_import_table({{"SYSTEM.dll", "Twice"}}, rdata);
    with_import.sections.push_back({".rdata", rdata, table.bytes, static_cast<std::uint32_t>(table.bytes.size())});
    const Rva slot = table.slots.front();
    with_import.imports = table;
    const auto report = apply_file(write(with_import));
    ASSERT_TRUE(report) << report.error().message();
    const Va image = call(kPadded) - package::kFirstSection.value;
    EXPECT_EQ(*ByteView(target_.peek(image + slot.value, 8)).read<std::uint64_t>(0), (kSystem + 0x1020).value);
}

// What must be refused; the process stays as it was.

class RefusalTest : public TransactionTest {
  protected:
    void expect_refused(const Result<Report>& result, Code code, const std::map<Va, FakeTarget::Page>& before) {
        EXPECT_EQ(text_of(error_of(result).code()), text_of(code)) << error_of(result).message();
        EXPECT_EQ(target_.pages(), before);
        EXPECT_FALSE(target_.stopped());
    }
};

TEST_F(RefusalTest, RefusesAnImportThatTheProcessDoesNotHave) {
    for (const package::ImportRequest& request :
         {package::ImportRequest{"system.dll", "Missing"}, package::ImportRequest{"absent.dll", "Beep"},
          package::ImportRequest{"system.dll", "Forwarded"}, package::ImportRequest{"system.dll", "", 99}}) {
        package::Contents with_import = contents(1);
        const Rva rdata{0x2000};
        auto table = package::build_import_table({request}, rdata);
        with_import.sections.push_back({".rdata", rdata, table.bytes, static_cast<std::uint32_t>(table.bytes.size())});
        with_import.imports = table;
        const auto before = target_.pages();
        expect_refused(apply_file(write(with_import)), Code::import_unavailable, before);
    }
}

TEST_F(RefusalTest, RefusesAnotherBuild) {
    package::Contents other = contents(1);
    other.manifest.baseline.time_date_stamp ^= 1;
    const auto before = target_.pages();
    const auto result = apply_file(write(other));
    expect_refused(result, Code::identity_header_differs, before);
    EXPECT_NE(error_of(result).message().find("TimeDateStamp"), std::string::npos);
}

TEST_F(RefusalTest, RefusesOneDifferentByteInAFunctionThatIsNotReplacedAndNamesIt) {
    target_.poke(kBase + kOther.value + 1, Bytes{0x07});
    const auto before = target_.pages();
    const auto result = apply_sequence(1);
    expect_refused(result, Code::identity_section_differs, before);
    EXPECT_EQ(error_of(result).place().rva, kOther + 1);
    EXPECT_NE(error_of(result).message().find("07"), std::string::npos);
}

TEST_F(RefusalTest, RefusesOneDifferentByteInAReplacedFunction) {
    target_.poke(kBase + kPrologue.value + 6, Bytes{0x07});
    const auto before = target_.pages();
    const auto result = apply_sequence(1);
    expect_refused(result, Code::identity_function_differs, before);
    EXPECT_EQ(error_of(result).place().function, "function_1020");
}

TEST_F(RefusalTest, NamesTheModuleThatAForeignDetourLeadsTo) {
    Bytes jump = {0xe9, 0, 0, 0, 0};
    const auto distance = static_cast<std::int32_t>((kSystem + 0x1033) - (kBase + kPadded.value + 5));
    suture::test::put(jump, 1, distance);
    target_.poke(kBase + kPadded.value, jump);
    const auto before = target_.pages();
    const auto result = apply_sequence(1);
    expect_refused(result, Code::foreign_detour, before);
    EXPECT_NE(error_of(result).message().find("system.dll+0x1033"), std::string::npos) << error_of(result).message();
}

TEST_F(RefusalTest, RefusesAPackageForAnotherMachine) {
    package::Contents arm = contents(1);
    arm.manifest.machine = Machine::arm64;
    arm.manifest.baseline.machine = Machine::arm64;
    arm.manifest.functions.clear();
    const auto before = target_.pages();
    expect_refused(apply_file(write(arm)), Code::machine_differs, before);
}

TEST_F(RefusalTest, RefusesWhereAPackageWithRvasWouldLieBeforeTheModule) {
    class FullBehind : public FakeTarget {
      public:
        Result<std::vector<target::Region>> regions() override {
            SUTURE_TRY(auto regions, FakeTarget::regions());
            std::erase_if(regions, [](const auto& one) { return one.range.begin >= kBase + 0x10000; });
            regions.push_back({{kBase + 0x10000, std::uint64_t{3} << 30}});
            return regions;
        }
    };
    FullBehind full;
    full.load_module("app.dll", kBase, app_.mapped(kBase.value), app_.file());
    package::Contents with_rva = contents(1);
    with_rva.manifest.fixups.push_back(
        {package::FixupKind::image_relative32, package::kFirstSection + 0x34, package::kFirstSection, 0});
    const Bytes file = write(with_rva);
    const auto package = package::Package::parse(file);
    const auto before = full.pages();
    EXPECT_EQ(error_of(apply(full, {&*package, 1}, {})).code(), Code::no_room_near_module);
    EXPECT_EQ(full.pages(), before);
    // Another one may lie there.
    const Bytes other = write(contents(1));
    const auto without = package::Package::parse(other);
    EXPECT_TRUE(apply(full, {&*without, 1}, {}));
}

TEST_F(RefusalTest, RefusesAModuleThatIsNotLoaded) {
    package::Contents other = contents(1);
    other.manifest.module = "other.dll";
    const auto before = target_.pages();
    expect_refused(apply_file(write(other)), Code::module_not_loaded, before);
}

TEST_F(RefusalTest, RefusesTheSameTwiceALowerSequenceAndAnotherPackageOfTheSameSequence) {
    ASSERT_TRUE(apply_sequence(2));
    const auto before = target_.pages();
    expect_refused(apply_sequence(2), Code::already_applied, before);
    expect_refused(apply_sequence(1), Code::sequence_lower, before);
    package::Contents impostor = contents(2);
    impostor.manifest.id = "another";
    expect_refused(apply_file(write(impostor)), Code::sequence_taken, before);
}

TEST_F(RefusalTest, RefusesAPackageThatBuildsUponALaterVersion) {
    package::Contents demanding = contents(3);
    demanding.manifest.min_sequence = 2;
    const auto before = target_.pages();
    expect_refused(apply_file(write(demanding)), Code::sequence_too_old, before);
}

TEST_F(RefusalTest, RefusesTwoPackagesForOneModule) {
    const Bytes first = write(contents(1));
    const Bytes second = write(contents(2));
    const std::vector packages = {*package::Package::parse(first), *package::Package::parse(second)};
    const auto before = target_.pages();
    expect_refused(apply(target_, packages, {}), Code::module_twice, before);
}

TEST_F(RefusalTest, RefusesRollbackAndRemoveOfWhatIsNotPatched) {
    const auto before = target_.pages();
    expect_refused(rollback(target_, "app.dll", std::nullopt, {}), Code::not_patched, before);
    expect_refused(remove(target_, "app.dll", {}), Code::not_patched, before);
    ASSERT_TRUE(apply_sequence(1));
    const auto patched = target_.pages();
    expect_refused(rollback(target_, "app.dll", 7, {}), Code::sequence_unknown, patched);
    expect_refused(rollback(target_, "app.dll", 1, {}), Code::already_applied, patched);
}

TEST_F(RefusalTest, RefusesToGoOnWhereSomebodyChangedWhatSutureWrote) {
    ASSERT_TRUE(apply_sequence(1));
    target_.poke(kBase + kPadded.value, Bytes{0x90, 0x90});
    const auto before = target_.pages();
    expect_refused(rollback(target_, "app.dll", std::nullopt, {}), Code::verification_failed, before);
    expect_refused(remove(target_, "app.dll", {}), Code::verification_failed, before);
    expect_refused(apply_sequence(1), Code::verification_failed, before);
    const auto modules = status(target_);
    ASSERT_TRUE(modules);
    ASSERT_FALSE(modules->front().findings.empty());
    EXPECT_NE(modules->front().findings.front().what.find("APP.dll+0x1010"), std::string::npos);
}

TEST_F(RefusalTest, ADamagedLedgerIsNotBelieved) {
    ASSERT_TRUE(apply_sequence(1));
    const auto ledgers = find_ledgers(target_);
    target_.poke(ledgers->front().block.ledger().begin + 40, Bytes{0xff});
    const auto before = target_.pages();
    expect_refused(remove(target_, "app.dll", {}), Code::ledger_damaged, before);
}

TEST_F(RefusalTest, RefusesWhereThereIsNoRoomNearTheModule) {
    // Two reservations of nearly 4 GiB in all around the module, in one region each.
    class Crowded : public FakeTarget {
      public:
        Result<std::vector<target::Region>> regions() override {
            SUTURE_TRY(auto regions, FakeTarget::regions());
            std::vector<target::Region> all;
            constexpr std::uint64_t kFar = std::uint64_t{3} << 30;
            all.push_back({{kBase - kFar, kFar}});
            for (const auto& region : regions)
                if (VaRange{kBase, 0x100000}.contains(region.range.begin))
                    all.push_back(region);
            all.push_back({{kBase + 0x10000, kFar}});
            return all;
        }
    };
    Crowded crowded;
    crowded.load_module("app.dll", kBase, app_.mapped(kBase.value), app_.file());
    const Bytes file = write(contents(1));
    const auto package = package::Package::parse(file);
    const auto before = crowded.pages();
    const auto result = apply(crowded, {&*package, 1}, {});
    EXPECT_EQ(text_of(error_of(result).code()), text_of(Code::no_room_near_module));
    EXPECT_EQ(crowded.pages(), before);
}

TEST_F(RefusalTest, RefusesAModuleThatWasExchangedWhileThreadsWereInTheWay) {
    target_.threads = [this](unsigned stop) {
        if (stop == 2) // behind the site, in the body
            target_.poke(kBase + kPrologue.value + 6, Bytes{0x07});
        target::ThreadState thread;
        thread.ip = stop == 1 ? kBase + kPrologue.value + 5 : kSystem + 0x1080;
        return std::vector{thread};
    };
    const auto result = apply_sequence(1);
    EXPECT_EQ(text_of(error_of(result).code()), text_of(Code::identity_function_differs));
    EXPECT_EQ(call(kPrologue), kBase + kPrologue.value);
    EXPECT_TRUE(status(target_)->empty());
}

TEST_F(RefusalTest, RefusesAPackageWhoseSiteLiesInThatOfAnEarlierOne) {
    package::Contents earlier = contents(1);
    earlier.manifest.functions = {padded(package::kFirstSection)};
    ASSERT_TRUE(apply_file(write(earlier)));
    package::Contents later = contents(2);
    const isa::Site cave{isa::SiteKind::x64_cave, kOther, 2, kPadded - 5, 5};
    later.manifest.functions = {replacement(kOther, 6, cave, package::kFirstSection)};
    later.manifest.fixups.clear();
    const auto before = target_.pages();
    expect_refused(apply_file(write(later)), Code::site_taken, before);
}

TEST_F(RefusalTest, TwoOperationsDoNotOverwriteEachOther) {
    ASSERT_TRUE(apply_sequence(1));
    // While a rollback waits for quiet, somebody else applies the next version.
    bool once = true;
    target_.threads = [&](unsigned) {
        target::ThreadState thread;
        thread.ip = once ? call(kPadded) + 5 : kSystem + 0x1080;
        return std::vector{thread};
    };
    target_.before_call = [&](unsigned, std::string_view name) -> std::optional<Error> {
        if (once && name == "resume") {
            once = false;
            EXPECT_TRUE(apply_sequence(2));
        }
        return std::nullopt;
    };
    const auto result = rollback(target_, "app.dll", std::nullopt, {});
    EXPECT_EQ(text_of(error_of(result).code()), text_of(Code::verification_failed));
    expect_version(2);
    expect_intact(2);
}

// Threads in the way.

TEST_F(TransactionTest, WaitsUntilNoThreadIsInsideAFunctionThatChanges) {
    thread_at(kBase + kPrologue.value + 5, 3);
    const auto report = apply_sequence(1);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 4u);
    expect_version(1);
}

TEST_F(TransactionTest, WaitsUntilNoThreadIsInCodeThatRunsOnlyOnBehalfOfChangedFunctions) {
    package::Contents with_part = contents(1);
    with_part.manifest.retired = {{kOther, 6}};
    thread_at(kBase + kOther.value, 2);
    const auto report = apply_file(write(with_part));
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 3u);
}

TEST_F(TransactionTest, AThreadAboutToEnterAFunctionIsNotInTheWay) {
    thread_at(kBase + kPrologue.value, 1000);
    const auto report = apply_sequence(1);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 1u);
}

TEST_F(RefusalTest, ATimeoutNamesThreadAndFunctionAndChangesNothing) {
    thread_at(kBase + kPrologue.value + 5, 1'000'000);
    const auto before = target_.pages();
    const auto result = apply_sequence(1);
    expect_refused(result, Code::not_quiescent, before);
    EXPECT_EQ(error_of(result).place().thread, 77u);
    EXPECT_EQ(error_of(result).place().function, "function_1020");
}

TEST_F(TransactionTest, WithoutConsistencyOnlyTheBytesOfTheSiteMatter) {
    Options options;
    options.consistency = Consistency::none;
    thread_at(kBase + kPrologue.value + 5, 1000); // behind the five bytes of the site
    const auto report = apply_file(write(contents(1)), options);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 2u) << "it is near, and the second look is a closer one";

    ASSERT_TRUE(remove(target_, "app.dll", {}));
    thread_at(kBase + kPrologue.value + 1, 1'000'000); // amid them
    EXPECT_EQ(error_of(apply_file(write(contents(1)), options)).code(), Code::not_quiescent);
}

TEST_F(RefusalTest, WithoutConsistencyWhatChangesBesideASiteIsSeenBehindTheStop) {
    Options options;
    options.consistency = Consistency::none;
    target_.threads = [&](unsigned stop) {
        if (stop == 1)
            target_.poke(kBase + kPrologue.value + 6, Bytes{0x07});
        return std::vector<target::ThreadState>{};
    };
    const auto result = apply_file(write(contents(1)), options);
    EXPECT_EQ(text_of(error_of(result).code()), text_of(Code::identity_function_differs));
    EXPECT_EQ(called_code(kPadded, 5), kOldPadded);
    EXPECT_EQ(target_.peek(kBase + kPrologue.value, 5), kOldPrologue) << "the site is taken back";
    EXPECT_TRUE(status(target_)->empty());
}

TEST_F(RefusalTest, WithoutConsistencyASiteThatChangedIsNotWritten) {
    Options options;
    options.consistency = Consistency::none;
    target_.threads = [&](unsigned stop) {
        if (stop == 1)
            target_.poke(kBase + kPrologue.value + 4, Bytes{0x07});
        return std::vector<target::ThreadState>{};
    };
    package::Contents one = contents(1);
    one.manifest.functions.erase(one.manifest.functions.begin());
    const auto result = apply_file(write(one), options);
    EXPECT_EQ(text_of(error_of(result).code()), text_of(Code::identity_function_differs));
    EXPECT_EQ(target_.peek(kBase + kPrologue.value, 5), (Bytes{0x53, 0x48, 0x83, 0xec, 0x07}));
    EXPECT_TRUE(status(target_)->empty());
}

TEST_F(TransactionTest, WhereAllThreadsAreFarOneStopIsEnoughAndNoOtherModuleIsRead) {
    const auto stops_and_reads = [&](Va ip) {
        unsigned reads = 0;
        const unsigned before = target_.stops();
        thread_at(ip, 1'000'000);
        target_.before_call = [&](unsigned, std::string_view call) -> std::optional<Error> {
            reads += call == "read";
            return std::nullopt;
        };
        EXPECT_TRUE(apply_sequence(1));
        EXPECT_TRUE(remove(target_, "app.dll", {}));
        return std::pair(target_.stops() - before, reads);
    };
    const auto far = stops_and_reads(kSystem + 0x1080);
    EXPECT_EQ(far.first, 2u) << "one for apply and one for remove";
    const auto near = stops_and_reads(kBase + kPrologue.value + 16); // right behind a function that is replaced
    EXPECT_GT(near.first, far.first);
    EXPECT_GT(near.second, far.second);
}

TEST_F(TransactionTest, WithoutConsistencyNothingIsStoppedThatNeedNotBe) {
    Options options;
    options.consistency = Consistency::none;
    package::Contents padded_only = contents(1);
    padded_only.manifest.functions = {padded(package::kFirstSection)};
    const auto report = apply_file(write(padded_only), options);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 0u);
    EXPECT_EQ(report->pause.count(), 0);
    EXPECT_EQ(called_code(kPadded).at(1), 101);
    ASSERT_TRUE(rollback(target_, "app.dll", std::nullopt, options));
    EXPECT_EQ(called_code(kPadded).at(1), 1);
    EXPECT_EQ(target_.stops(), 0u);
}

TEST_F(TransactionTest, NorForAPrologueOfOneInstruction) {
    Options options;
    options.consistency = Consistency::none;
    package::Contents one = contents(1);
    one.manifest.functions = {
        replacement(kOther, 6, {isa::SiteKind::x64_prologue, kOther, 5, {}, 5}, package::kFirstSection)};
    const Bytes baseline = module_bytes();
    const auto report = apply_file(write(one), options);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->attempts, 0u);
    EXPECT_EQ(called_code(kOther).at(1), 101);
    ASSERT_TRUE(rollback(target_, "app.dll", std::nullopt, options));
    EXPECT_EQ(called_code(kOther).at(1), 3);
    EXPECT_EQ(target_.stops(), 0u);
    ASSERT_TRUE(remove(target_, "app.dll", {}));
    EXPECT_EQ(module_bytes(), baseline);
}

TEST_F(TransactionTest, SixBytesOfAPrologueLeadThroughTheCellItself) {
    package::Contents one = contents(1);
    one.manifest.functions = {
        replacement(kPrologue, 16, {isa::SiteKind::x64_prologue, kPrologue, 6, {}, 10}, package::kFirstSection)};
    const Bytes baseline = module_bytes();
    Options options;
    options.consistency = Consistency::none;
    thread_at(kBase + kPrologue.value + 5, 1'000'000); // between the instructions that the six bytes are of
    EXPECT_EQ(error_of(apply_file(write(one), options)).code(), Code::not_quiescent);
    EXPECT_EQ(module_bytes(), baseline);

    thread_at(kBase + kPrologue.value + 10, 1000);
    ASSERT_TRUE(apply_file(write(one), options));
    const Ledger ledger = *ledger_of(target_, "app.dll");
    const Va entry = kBase + kPrologue.value;
    const Bytes site = target_.peek(entry, 6);
    const auto jump = isa::isa_for(Machine::x64)->jump_at(site, entry);
    ASSERT_TRUE(jump && jump->indirect);
    EXPECT_EQ(jump->to, ledger.block.cell(1));
    EXPECT_EQ(called_code(kPrologue).at(1), 101);
    EXPECT_TRUE(status(target_)->at(0).findings.empty());

    ASSERT_TRUE(rollback(target_, "app.dll", std::nullopt, options));
    EXPECT_EQ(called_code(kPrologue, 10), (Bytes{0x53, 0x48, 0x83, 0xec, 0x20, 0xb8, 2, 0, 0, 0}));
    thread_at({}, 0);
    ASSERT_TRUE(remove(target_, "app.dll", {}));
    EXPECT_EQ(module_bytes(), baseline);
}

TEST_F(TransactionTest, SitesOfWhichNoThreadCanBeInsideAreThereBeforeTheStop) {
    bool seen = false;
    target_.threads = [&](unsigned) {
        seen = true;
        // The function is the baseline's still, through its stub, its cell and what follows.
        EXPECT_EQ(module_bytes().at(kPadded.value), 0xeb);
        EXPECT_EQ(called_code(kPadded).at(1), 1);
        EXPECT_EQ(module_bytes().at(kPrologue.value), 0x53);
        return std::vector<target::ThreadState>{};
    };
    ASSERT_TRUE(apply_sequence(1));
    EXPECT_TRUE(seen);
}

TEST_F(RefusalTest, RemoveDoesNotFreeCodeThatAThreadIsIn) {
    ASSERT_TRUE(apply_sequence(1));
    thread_at(call(kPadded) + 5, 1'000'000);
    const auto before = target_.pages();
    expect_refused(remove(target_, "app.dll", {}), Code::not_quiescent, before);
    const auto block = find_ledgers(target_)->front().block;
    for (const Va inside : {block.stub(1), block.continuation(2), kBase + kPadded.value - 5}) {
        thread_at(inside, 1'000'000);
        expect_refused(remove(target_, "app.dll", {}), Code::not_quiescent, before);
    }
}

// Every call of the target fails once, in turn: the process is as before or as after, never in between.

class FailingCallTest : public TransactionTest {
  protected:
    using Operation = std::function<Result<Report>()>;

    /// A call of the function ends up in code of the baseline or of the package.
    bool runs_code(Rva function) {
        const Va at = call(function);
        const auto page = target_.pages().find(Va{at.value & ~(FakeTarget::kPage - 1)});
        return page != target_.pages().end() && page->second.protection == target::Protection::read_execute &&
               target_.peek(at, 1)[0] != 0xcc;
    }

    /// `arrange` brings a fresh process to where `operate` starts.
    template <class Arrange, class Operate>
    void each_call_fails_once(Arrange arrange, Operate operate) {
        unsigned failures = 0;
        for (unsigned failing = 1;; ++failing) {
            SCOPED_TRACE(failing);
            target_ = FakeTarget();
            target_.load_module("APP.dll", kBase, app_.mapped(kBase.value), app_.file());
            target_.load_module("system.dll", kSystem, system_.mapped(kSystem.value), system_.file());
            arrange();
            const auto before = target_.pages();
            const unsigned start = target_.calls();
            std::string failed;
            target_.before_call = [&](unsigned call, std::string_view name) -> std::optional<Error> {
                if (call != start + failing)
                    return std::nullopt;
                failed = name;
                return Error(Code::target_read_failed, "on purpose");
            };
            const auto result = operate();
            target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
            EXPECT_FALSE(target_.stopped()) << failed;
            for (const Rva function : {kPadded, kPrologue, kOther})
                EXPECT_TRUE(runs_code(function)) << failed;
            if (failed.empty()) {
                EXPECT_TRUE(result) << result.error().message();
                break;
            }
            ++failures;
            if (target_.pages() == before)
                continue;
            // Not as before: then it must have got to the end, and still answer for itself.
            const auto modules = status(target_);
            ASSERT_TRUE(modules) << failed << ": " << modules.error().message();
            for (const ModuleStatus& module : *modules) {
                const bool told = !result && result.error().code() == Code::needs_recover;
                EXPECT_TRUE(module.phase == Phase::live || module.phase == Phase::removing || told) << failed;
                EXPECT_TRUE(module.phase != Phase::live || module.findings.empty()) << failed;
            }
        }
        EXPECT_GT(failures, 10u);
    }
};

// A system that stops answering, from any call on: nothing may lead to where nothing is.
TEST_F(FailingCallTest, EveryCallFromOneOn) {
    for (unsigned failing = 1;; ++failing) {
        SCOPED_TRACE(failing);
        target_ = FakeTarget();
        target_.load_module("APP.dll", kBase, app_.mapped(kBase.value), app_.file());
        target_.load_module("system.dll", kSystem, system_.mapped(kSystem.value), system_.file());
        bool failed = false;
        target_.before_call = [&](unsigned call, std::string_view) -> std::optional<Error> {
            if (call < failing)
                return std::nullopt;
            failed = true;
            return Error(Code::target_map_failed, "on purpose");
        };
        const auto result = apply_sequence(1);
        target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
        EXPECT_FALSE(target_.stopped());
        for (const Rva function : {kPadded, kPrologue, kOther})
            EXPECT_TRUE(runs_code(function));
        if (!failed)
            break;
        EXPECT_FALSE(result);
    }
}

TEST_F(FailingCallTest, DuringApply) {
    each_call_fails_once([] {}, [&] { return apply_sequence(1); });
}

TEST_F(FailingCallTest, DuringALaterApply) {
    each_call_fails_once(
        [&] {
            package::Contents earlier = contents(1);
            earlier.manifest.functions.pop_back();
            ASSERT_TRUE(apply_file(write(earlier)));
        },
        [&] { return apply_sequence(2); });
}

TEST_F(FailingCallTest, DuringRollback) {
    each_call_fails_once([&] { ASSERT_TRUE(apply_sequence(1)); },
                         [&] { return rollback(target_, "app.dll", std::nullopt, {}); });
}

TEST_F(FailingCallTest, DuringRemove) {
    each_call_fails_once([&] { ASSERT_TRUE(apply_sequence(1)); }, [&] { return remove(target_, "app.dll", {}); });
}

} // namespace
} // namespace suture::patch
