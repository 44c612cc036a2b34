// Every call of the target fails, in turn, in every way in which it can fail, once or from then on, in every operation.
// After each: what runs is all old or all new for each module, and `recover` ends in a final state of the whole update.

#include "engine/patch/recovery.hpp"
#include "tests/engine/patch/two_modules.hpp"

#include <cstdio>
#include <functional>
#include <set>

namespace suture::patch {
namespace {

using suture::test::FakeTarget;
using test::PatchedModule;

enum class Fault {
    before,      ///< it does nothing, and fails
    after,       ///< it does all, and fails
    half,        ///< it does the first of its parts, and fails
    dies_before, ///< the injector dies: that call and all later ones do nothing
    dies_after,
    dies_half,
};
constexpr Fault kFailures[] = {Fault::before, Fault::after, Fault::half};
constexpr Fault kDeaths[] = {Fault::dies_before, Fault::dies_after, Fault::dies_half};

bool dies(Fault fault) {
    return fault >= Fault::dies_before;
}

/// What only reads has done nothing when it fails, and only some calls have parts.
bool possible(Fault fault, std::string_view call) {
    const std::set<std::string_view> kReading = {"modules", "regions", "read", "remains", "stop", "discard", "resume"};
    if (fault == Fault::half || fault == Fault::dies_half)
        return call == "map" || call == "unmap";
    return fault == Fault::before || fault == Fault::dies_before || !kReading.contains(call);
}

using Versions = std::pair<std::uint32_t, std::uint32_t>;

class FaultInjection : public test::TwoModules {
  protected:
    struct Operation {
        std::string name;
        std::function<void()> arrange;
        std::function<Result<Report>()> run;
    };

    static void SetUpTestSuite() { cases_ = recoveries_ = 0; }
    static void TearDownTestSuite() {
        std::printf("faults injected: %u, recoveries among them: %u\n", cases_, recoveries_);
    }

    Operation apply_first() {
        return {"apply first", [] {}, [this] { return apply_files({a_.package(2, true)}); }};
    }
    /// A thread is in the way at the first stops: stacks are looked at with all that the modules tell.
    Operation apply_past_a_thread() {
        return {"apply first, past a thread",
                [this] {
                    target_.threads = [this](unsigned stop) {
                        target::ThreadState thread;
                        thread.id = 77;
                        thread.ip = a_.at(PatchedModule::kPrologue) + (stop <= 2 ? 1 : 0);
                        return std::vector{thread};
                    };
                },
                [this] { return apply_files({a_.package(2, true)}); }};
    }
    Operation apply_later() {
        return {"apply later", [this] { ASSERT_TRUE(apply_files({a_.package(1, false)})); },
                [this] { return apply_files({a_.package(2, true)}); }};
    }
    Operation apply_again() {
        return {"apply again",
                [this] {
                    ASSERT_TRUE(apply_files({a_.package(2, true)}));
                    ASSERT_TRUE(rollback(target_, "a.dll", 0, {}));
                },
                [this] { return apply_files({a_.package(2, true)}); }};
    }
    Operation apply_two() {
        return {"apply two", [] {}, [this] { return apply_files({a_.package(2, true), b_.package(2, true)}); }};
    }
    /// One has no ledger, the other one has the version already, but not in force.
    Operation apply_two_mixed() {
        return {"apply two, one of them again",
                [this] {
                    ASSERT_TRUE(apply_files({b_.package(1, false)}));
                    ASSERT_TRUE(apply_files({b_.package(2, true)}));
                    ASSERT_TRUE(rollback(target_, "b.dll", 1, {}));
                },
                [this] {
                    return apply_files({a_.package(1, false), b_.package(2, true)});
                }};
    }
    Operation roll_back() {
        return {"rollback",
                [this] {
                    ASSERT_TRUE(apply_files({a_.package(1, false), b_.package(1, false)}));
                    ASSERT_TRUE(apply_files({a_.package(2, true)}));
                },
                [this] { return rollback(target_, "a.dll", std::nullopt, {}); }};
    }
    Operation remove_all() {
        return {"remove",
                [this] {
                    ASSERT_TRUE(apply_files({a_.package(1, false), b_.package(2, true)}));
                    ASSERT_TRUE(apply_files({a_.package(2, true)}));
                },
                [this] { return remove(target_, "a.dll", {}); }};
    }
    std::vector<Operation> operations() {
        return {apply_first(), apply_past_a_thread(), apply_later(), apply_again(),
                apply_two(),   apply_two_mixed(),     roll_back(),   remove_all()};
    }

    std::optional<Versions> versions() {
        const auto a = a_.version(target_);
        const auto b = b_.version(target_);
        return a && b ? std::optional(Versions(*a, *b)) : std::nullopt;
    }

    /// Runs with a fault in the `n`th call; the name of that call, or nothing if there were fewer.
    std::string run_with(Fault fault, unsigned n, const Operation& operation, std::optional<Result<Report>>& result) {
        const unsigned first = target_.calls() + n;
        std::string at;
        const auto hit = [&](unsigned call, Fault one, Fault deadly) {
            return call == first && (fault == one || fault == deadly);
        };
        target_.before_call = [&](unsigned call, std::string_view name) -> std::optional<Error> {
            if (call == first)
                at = name;
            if (hit(call, Fault::before, Fault::dies_before) || (call > first && dies(fault)))
                return Error(Code::target_map_failed, "on purpose");
            return std::nullopt;
        };
        target_.after_call = [&](unsigned call, std::string_view) -> std::optional<Error> {
            if (hit(call, Fault::after, Fault::dies_after))
                return Error(Code::target_map_failed, "on purpose, when it was done");
            return std::nullopt;
        };
        target_.cut_off = [&](unsigned call, std::string_view) -> std::optional<std::size_t> {
            return hit(call, Fault::half, Fault::dies_half) ? std::optional(1uz) : std::nullopt;
        };
        result = operation.run();
        calm();
        return at;
    }
    /// The calls that an operation makes when nothing goes wrong.
    std::vector<std::string> calls_of(const Operation& operation) {
        std::vector<std::string> calls;
        target_.before_call = [&](unsigned, std::string_view name) -> std::optional<Error> {
            calls.emplace_back(name);
            return std::nullopt;
        };
        EXPECT_TRUE(operation.run());
        calm();
        return calls;
    }
    /// Each fault that its calls may have, one at a time; `visit(fault, n, name)` returns false to end it.
    template <class Visit>
    static void each_fault(std::span<const Fault> faults, std::span<const std::string> calls, Visit visit) {
        for (const Fault fault : faults)
            for (std::size_t i = 0; i < calls.size(); ++i)
                if (possible(fault, calls[i]) && !visit(fault, static_cast<unsigned>(i + 1), calls[i]))
                    return;
    }
    void calm() {
        target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
        target_.after_call = [](unsigned, std::string_view) { return std::nullopt; };
        target_.cut_off = [](unsigned, std::string_view) { return std::nullopt; };
    }

    /// True if status says that something was cut off; it must be readable at any time.
    bool needs_recover() {
        const auto modules = status(target_);
        const auto left = leftovers(target_);
        EXPECT_TRUE(modules && left);
        return !modules || !left || !left->empty() ||
               std::ranges::any_of(*modules, [](const ModuleStatus& one) { return one.phase != Phase::live; });
    }

    /// What may run is known to the unwinder, and what the unwinder knows is there.
    void expect_unwound() {
        const auto ledgers = find_ledgers(target_);
        ASSERT_TRUE(ledgers);
        std::set<Va> live;
        for (const Ledger& ledger : *ledgers)
            for (const LedgerVersion& version : ledger.versions)
                if (ledger.phase == Phase::live)
                    live.insert(version.unwind_table().at);
        EXPECT_TRUE(std::ranges::includes(target_.unwind_tables(), live));
        for (const Va table : target_.unwind_tables())
            EXPECT_TRUE(target_.pages().contains(table));
    }

    void expect_final() {
        EXPECT_FALSE(needs_recover());
        expect_unwound();
        const auto modules = status(target_);
        ASSERT_TRUE(modules);
        for (const ModuleStatus& module : *modules) {
            EXPECT_TRUE(module.findings.empty()) << module.findings.front().what;
            EXPECT_EQ(module.active, module.module == "a.dll" ? a_.version(target_) : b_.version(target_));
        }
    }

    /// Everything can be taken out, and nothing is left then.
    void expect_removable() {
        const auto modules = status(target_);
        ASSERT_TRUE(modules);
        for (const ModuleStatus& module : *modules) {
            const auto removed = remove(target_, module.module, {});
            EXPECT_TRUE(removed) << removed.error().message();
        }
        EXPECT_EQ(target_.pages(), pristine_);
        EXPECT_TRUE(target_.staged().empty());
        EXPECT_FALSE(target_.has_workshop());
        EXPECT_TRUE(target_.unwind_tables().empty());
    }

    /// What must hold right after a fault.
    void expect_sound(const Versions& before, const Versions& after) {
        EXPECT_FALSE(target_.stopped());
        const auto now = versions();
        ASSERT_TRUE(now) << "a call leads nowhere, or functions of one module run different versions";
        EXPECT_TRUE(now->first == before.first || now->first == after.first) << now->first;
        EXPECT_TRUE(now->second == before.second || now->second == after.second) << now->second;
        expect_unwound();
    }

    void expect_recovers(const Versions& before, const Versions& after) {
        const bool needed = needs_recover();
        const auto recovered = recover(target_, {});
        if (!needed)
            EXPECT_TRUE(!recovered && recovered.error().code() == Code::nothing_to_recover);
        else
            EXPECT_TRUE(recovered) << recovered.error().message();
        const auto now = versions();
        ASSERT_TRUE(now);
        EXPECT_TRUE(*now == before || *now == after) << now->first << ", " << now->second;
        expect_final();
        expect_removable();
        ++recoveries_;
    }

    void arrange(const Operation& operation) {
        fresh();
        pristine_ = target_.pages();
        operation.arrange();
    }

    struct Bounds {
        Versions before, after;
        std::vector<std::string> calls;
    };
    /// What runs before the operation and after it.
    Bounds bounds(const Operation& operation) {
        arrange(operation);
        const auto before = versions();
        auto calls = calls_of(operation);
        const auto after = versions();
        EXPECT_TRUE(before && after);
        expect_final();
        return {before.value_or(Versions()), after.value_or(Versions()), std::move(calls)};
    }
    static std::string trace(const Operation& operation, Fault fault, unsigned n, std::string_view call,
                             const std::optional<Result<Report>>& result) {
        return fmt::format("{}: fault {} in call {}, {}: {}", operation.name, static_cast<int>(fault), n, call,
                           *result ? "success" : result->error().message());
    }

    std::map<Va, FakeTarget::Page> pristine_;
    static inline unsigned cases_ = 0;
    static inline unsigned recoveries_ = 0;
};

TEST_F(FaultInjection, EveryCallFailsOnceInEveryOperation) {
    for (const Operation& operation : operations()) {
        const Bounds bounds = this->bounds(operation);
        each_fault(kFailures, bounds.calls, [&](Fault fault, unsigned n, const std::string& call) {
            arrange(operation);
            const auto found = target_.pages();
            const bool workshop = target_.has_workshop();
            std::optional<Result<Report>> result;
            EXPECT_EQ(run_with(fault, n, operation, result), call);
            SCOPED_TRACE(trace(operation, fault, n, call, result));
            ++cases_;
            expect_sound(bounds.before, bounds.after);
            if (*result) {
                EXPECT_EQ(versions(), bounds.after);
            } else if (result->error().code() == Code::needs_recover) {
                EXPECT_TRUE(needs_recover());
            } else if (call == "discard") {
                EXPECT_EQ(versions(), bounds.before); // what lies aside is left to the next one
            } else {
                // It says what went wrong, and that is all there is to it.
                EXPECT_FALSE(needs_recover());
                EXPECT_TRUE(versions() == bounds.after || target_.pages() == found);
                EXPECT_TRUE(versions() == bounds.after || target_.has_workshop() == workshop);
            }
            expect_recovers(bounds.before, bounds.after);
            return !HasFailure();
        });
    }
}

TEST_F(FaultInjection, TheInjectorDiesAtEveryCallOfEveryOperation) {
    for (const Operation& operation : operations()) {
        const Bounds bounds = this->bounds(operation);
        each_fault(kDeaths, bounds.calls, [&](Fault fault, unsigned n, const std::string& call) {
            arrange(operation);
            std::optional<Result<Report>> result;
            EXPECT_EQ(run_with(fault, n, operation, result), call);
            SCOPED_TRACE(trace(operation, fault, n, call, result));
            ++cases_;
            expect_sound(bounds.before, bounds.after);
            expect_recovers(bounds.before, bounds.after);
            return !HasFailure();
        });
    }
}

TEST_F(FaultInjection, EveryCallFailsAndTheInjectorDiesInTheRecoveryOfEveryStateThatADeathLeaves) {
    for (const Operation& operation : operations()) {
        const Bounds bounds = this->bounds(operation);
        std::vector<FakeTarget> states;
        each_fault(kDeaths, bounds.calls, [&](Fault fault, unsigned n, const std::string&) {
            arrange(operation);
            std::optional<Result<Report>> result;
            run_with(fault, n, operation, result);
            if (needs_recover() && std::ranges::none_of(states, [&](const FakeTarget& one) {
                    return one.pages() == target_.pages() && one.staged() == target_.staged() &&
                           one.unwind_tables() == target_.unwind_tables();
                }))
                states.push_back(target_);
            return true;
        });
        for (const FakeTarget& state : states) {
            const Operation recovery{
                fmt::format("recovery of state {} of {} of {}", &state - states.data(), states.size(), operation.name),
                [] {}, [this] { return recover(target_, {}); }};
            target_ = state;
            const auto calls = calls_of(recovery);
            for (const auto& faults : {std::span<const Fault>(kFailures), std::span<const Fault>(kDeaths)})
                each_fault(faults, calls, [&](Fault fault, unsigned n, const std::string& call) {
                    target_ = state;
                    std::optional<Result<Report>> result;
                    EXPECT_EQ(run_with(fault, n, recovery, result), call);
                    SCOPED_TRACE(trace(recovery, fault, n, call, result));
                    ++cases_;
                    expect_sound(bounds.before, bounds.after);
                    EXPECT_TRUE(!*result || !needs_recover());
                    expect_recovers(bounds.before, bounds.after);
                    return !HasFailure();
                });
        }
    }
}

} // namespace
} // namespace suture::patch
