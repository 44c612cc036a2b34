// What control-flow guard is told of new code, and when.

#include "tests/engine/patch/patched_world.hpp"

namespace suture::patch {
namespace {

class CallTargets : public test::PatchedWorld {
  protected:
    Bytes guarded_package(std::uint32_t sequence, std::vector<Rva> of_baseline = {kOther}) const {
        package::Contents one = contents(sequence);
        one.manifest.guarded = true;
        one.manifest.call_targets = {package::kFirstSection + 0x10};
        one.manifest.baseline_call_targets = std::move(of_baseline);
        return write(one);
    }
    Ledger ledger() { return find_ledgers(target_).value().front(); }
};

TEST_F(CallTargets, NewCodeMayBeCalledWhereThePackageSaysAndStubsNowhere) {
    ASSERT_TRUE(apply_file(guarded_package(1)));
    const Ledger found = ledger();
    const Va code = found.version(1)->image.begin + package::kFirstSection.value;
    const std::map<Va, std::vector<Va>> expected{
        {code, {code + 0x10}}, {found.block.stubs().begin, {}}, {found.block.continuations().begin, {}}};
    EXPECT_EQ(target_.guarded_pages(), expected);
    EXPECT_EQ(target_.allowed_calls(), (std::set{kBase + kOther.value}));
}

TEST_F(CallTargets, NothingIsSaidOfABaselineThatIsNotGuarded) {
    ASSERT_TRUE(apply_sequence(1));
    EXPECT_TRUE(target_.guarded_pages().empty());
    EXPECT_TRUE(target_.allowed_calls().empty());
}

TEST_F(CallTargets, FunctionsOfTheBaselineAreAllowedBeforeAnythingLeadsToNewCode) {
    std::vector<std::string> calls;
    target_.before_call = [&](unsigned, std::string_view name) -> std::optional<Error> {
        if (name == "map" || name == "allow_calls" || name == "replace" || name == "write_code" || name == "stop")
            calls.emplace_back(name);
        return std::nullopt;
    };
    ASSERT_TRUE(apply_file(guarded_package(1)));
    ASSERT_GE(calls.size(), 3u);
    EXPECT_EQ(calls[0], "map");
    EXPECT_EQ(calls[1], "allow_calls");
    EXPECT_EQ(std::ranges::count(calls, "allow_calls"), 1);
}

TEST_F(CallTargets, ThatCannotBeAllowedLeaveNothing) {
    const auto pages = target_.pages();
    target_.before_call = [](unsigned, std::string_view name) -> std::optional<Error> {
        return name == "allow_calls" ? std::optional(Error(Code::call_target_impossible, "no")) : std::nullopt;
    };
    const auto applied = apply_file(guarded_package(1));
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code(), Code::call_target_impossible);
    EXPECT_EQ(applied.error().place().image, "APP.dll");
    EXPECT_EQ(target_.pages(), pages);
    EXPECT_TRUE(apply_file(guarded_package(1, {}))) << "where none is needed, none is asked for";
}

TEST_F(CallTargets, ALaterPackageBringsItsOwn) {
    ASSERT_TRUE(apply_file(guarded_package(1, {})));
    const std::size_t before = target_.guarded_pages().size();
    ASSERT_TRUE(apply_file(guarded_package(2)));
    EXPECT_EQ(target_.guarded_pages().size(), before + 1);
    EXPECT_EQ(target_.allowed_calls(), (std::set{kBase + kOther.value}));
}

} // namespace
} // namespace suture::patch
