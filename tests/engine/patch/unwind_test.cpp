// What the process's own unwinder is told of new code, and when.

#include "tests/engine/patch/two_modules.hpp"

namespace suture::patch {
namespace {

class Unwind : public test::TwoModules {
  protected:
    Va table_of(std::string_view module, std::uint32_t sequence) {
        return ledger_of(target_, module)->version(sequence)->unwind_table().at;
    }
    /// Names of calls, of which those that concern unwind data are kept, and `kept`.
    std::vector<std::string> calls_of(const auto& operation, std::string_view kept) {
        std::vector<std::string> calls;
        target_.before_call = [&](unsigned, std::string_view name) -> std::optional<Error> {
            if (name.ends_with("register_unwind") || (name == kept && (calls.empty() || calls.back() != name)))
                calls.emplace_back(name);
            return std::nullopt;
        };
        const auto done = operation();
        EXPECT_TRUE(done) << done.error().message();
        target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
        return calls;
    }
};

TEST_F(Unwind, TablesAreKnownBeforeTheFirstStopAndForgottenBeforeTheirPagesGo) {
    using Calls = std::vector<std::string>;
    EXPECT_EQ(calls_of(
                  [&] {
                      return apply_files({a_.package(1, false), b_.package(1, false)});
                  },
                  "stop"),
              (Calls{"register_unwind", "register_unwind", "stop"}));
    EXPECT_EQ(target_.unwind_tables(), (std::set{table_of("a.dll", 1), table_of("b.dll", 1)}));
    EXPECT_EQ(calls_of([&] { return apply_files({a_.package(2, true)}); }, "stop"), (Calls{"register_unwind", "stop"}));
    EXPECT_EQ(target_.unwind_tables().size(), 3u);
    // Code of a version that is out of force may still be returned into, and is there to be put in force again.
    EXPECT_EQ(calls_of([&] { return rollback(target_, "a.dll", 1, {}); }, "stop"), (Calls{"stop"}));
    EXPECT_EQ(calls_of([&] { return apply_files({a_.package(2, true)}); }, "stop"), (Calls{"stop"}));
    EXPECT_EQ(calls_of([&] { return remove(target_, "a.dll", {}); }, "unmap"),
              (Calls{"unregister_unwind", "unmap", "unregister_unwind", "unmap"}));
    EXPECT_EQ(target_.unwind_tables(), (std::set{table_of("b.dll", 1)}));
}

TEST_F(Unwind, TheTableIsThePackagesDirectoryOfExceptions) {
    const Bytes file = a_.package(1, false);
    ASSERT_TRUE(apply_files({file}));
    const auto package = package::Package::parse(file);
    ASSERT_TRUE(package);
    const LedgerVersion version = *ledger_of(target_, "a.dll")->version(1);
    EXPECT_EQ(version.unwind_table().base, version.image.begin);
    EXPECT_EQ(version.unwind_count, 1u);
    const Bytes entry = target_.peek(version.unwind_table().at, 12);
    EXPECT_EQ(*ByteView(entry).read<std::uint32_t>(0), package->runtime_functions().front().range.begin.value);
    EXPECT_EQ(*ByteView(entry).read<std::uint32_t>(8), package->runtime_functions().front().unwind_info.value);
}

TEST_F(Unwind, ThatCannotBeMadeKnownLeavesNothing) {
    ASSERT_TRUE(apply_files({b_.package(1, false)}));
    for (const bool later : {false, true}) {
        if (later) {
            ASSERT_TRUE(apply_files({a_.package(1, false)}));
        }
        const auto pages = target_.pages();
        const auto tables = target_.unwind_tables();
        target_.before_call = [](unsigned, std::string_view name) -> std::optional<Error> {
            return name.ends_with("register_unwind")
                       ? std::optional(Error(Code::unwind_not_registered, "every thread is busy"))
                       : std::nullopt;
        };
        const auto applied = apply_files({a_.package(2, true)});
        ASSERT_FALSE(applied);
        EXPECT_EQ(applied.error().code(), Code::unwind_not_registered) << applied.error().message();
        EXPECT_EQ(applied.error().place().image, "a.dll");
        EXPECT_EQ(target_.pages(), pages);
        EXPECT_EQ(target_.unwind_tables(), tables);
        target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
    }
}

TEST_F(Unwind, NothingIsFreedThatCannotBeForgotten) {
    ASSERT_TRUE(apply_files({a_.package(2, true)}));
    const Va table = table_of("a.dll", 2);
    target_.before_call = [](unsigned, std::string_view name) -> std::optional<Error> {
        return name == "unregister_unwind" ? std::optional(Error(Code::unwind_not_registered, "every thread is busy"))
                                           : std::nullopt;
    };
    const auto removed = remove(target_, "a.dll", {});
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code(), Code::needs_recover);
    EXPECT_TRUE(target_.pages().contains(table));
    EXPECT_EQ(a_.version(target_), 0u);
    target_.before_call = [](unsigned, std::string_view) { return std::nullopt; };
    EXPECT_TRUE(recover(target_, {}));
    EXPECT_TRUE(target_.unwind_tables().empty());
    EXPECT_FALSE(target_.pages().contains(table));
}

TEST_F(Unwind, IsForgottenOfAModuleThatWasUnloaded) {
    ASSERT_TRUE(apply_files({a_.package(2, true)}));
    target_.unload_module("a.dll");
    EXPECT_TRUE(recover(target_, {}));
    EXPECT_TRUE(target_.unwind_tables().empty());
}

TEST_F(Unwind, WhereNothingCanBeMadeKnownNothingIsAsked) {
    target_.can_register_unwind = false;
    const auto none = [&](const auto& operation) { return calls_of(operation, "none").empty(); };
    EXPECT_TRUE(none([&] { return apply_files({a_.package(2, true)}); }));
    EXPECT_EQ(ledger_of(target_, "a.dll")->version(2)->unwind_count, 0u);
    EXPECT_TRUE(none([&] { return remove(target_, "a.dll", {}); }));
}

TEST_F(Unwind, CodeThatHandlesExceptionsIsAppliedOnlyWhereItCanBeMadeKnown) {
    const auto pages = target_.pages();
    target_.can_register_unwind = false;
    const auto applied = apply_files({b_.package(1, false), a_.package(1, false, true)});
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code(), Code::unwind_not_registered) << applied.error().message();
    EXPECT_EQ(applied.error().place().image, "a.dll");
    EXPECT_EQ(target_.pages(), pages);
    target_.can_register_unwind = true;
    EXPECT_TRUE(apply_files({b_.package(1, false), a_.package(1, false, true)}));
}

} // namespace
} // namespace suture::patch
