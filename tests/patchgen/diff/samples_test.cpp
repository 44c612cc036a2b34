// Real images: identity, forward, backward and unrelated pairs of the samples.
#include "patchgen/diff/change_set.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace suture::diff {
namespace {

std::unique_ptr<const program::Program> load(const std::string& path, bool symbols = true) {
    auto program = program::Program::load(path, {.symbols = {}, .use_symbols = symbols});
    EXPECT_TRUE(program) << program.error().message();
    return program ? std::move(*program) : nullptr;
}

std::set<std::string> names_of(const ChangeSet& set) {
    std::set<std::string> names;
    for (const Change& change : set.changes)
        names.insert(change.name);
    return names;
}

std::vector<std::string> messages_of(const ChangeSet& set) {
    std::vector<std::string> messages;
    for (const Error& error : set.refusals)
        messages.push_back(error.message());
    return messages;
}

class Samples : public testing::TestWithParam<const char*> {
  protected:
    static std::string image(const std::string& sample, const std::string& version, const std::string& file) {
        return std::string(SUTURE_SAMPLES) + "/" + sample + "/" + GetParam() + "/" + version + "/" + file;
    }
    void SetUp() override {
        if (!std::filesystem::exists(image("heartbeat", "baseline", "heartbeat.dll")))
            GTEST_SKIP() << "this variant of the samples is not built";
    }
};

TEST_P(Samples, AnImageIsEqualToItself) {
    for (const auto& [sample, file] :
         {std::pair{"heartbeat", "heartbeat.dll"}, {"tally", "tally.exe"}, {"cxx", "cxx.exe"}})
        for (const bool symbols : {true, false}) {
            const auto one = load(image(sample, "baseline", file), symbols);
            const auto other = load(image(sample, "baseline", file), symbols);
            ASSERT_TRUE(one && other);
            const ChangeSet set = compare(*one, *other);
            EXPECT_TRUE(set.no_change()) << sample << " " << symbols;
            EXPECT_EQ(set.counts.equal, set.counts.baseline);
        }
}

TEST_P(Samples, TheFixOfHeartbeatIsOneFunctionWithAndWithoutSymbols) {
    for (const bool symbols : {true, false})
        for (const bool forward : {true, false}) {
            const auto from = load(image("heartbeat", forward ? "baseline" : "updated", "heartbeat.dll"), symbols);
            const auto to = load(image("heartbeat", forward ? "updated" : "baseline", "heartbeat.dll"), symbols);
            ASSERT_TRUE(from && to);
            const ChangeSet set = compare(*from, *to);
            EXPECT_THAT(messages_of(set), testing::IsEmpty());
            ASSERT_EQ(set.functions.size(), 1u);
            EXPECT_TRUE(set.functions[0].site);
        }
}

TEST_P(Samples, TallyChangesWhatItsUpdateChangesAndNothingElse) {
    const auto baseline = load(image("tally", "baseline", "tally.exe"));
    const auto updated = load(image("tally", "updated", "tally.exe"));
    ASSERT_TRUE(baseline && updated);
    const ChangeSet forward = compare(*baseline, *updated);
    EXPECT_THAT(messages_of(forward), testing::IsEmpty());
    EXPECT_THAT(names_of(forward), testing::IsSupersetOf({"audit", "classify", "discount", "greeting", "interest",
                                                          "is_scale", "paths", "price", "scale", "ticking", "weigh"}));
    EXPECT_FALSE(names_of(forward).contains("call_operation"));
    EXPECT_FALSE(names_of(forward).contains("ask"));
    const ChangeSet backward = compare(*updated, *baseline);
    EXPECT_THAT(messages_of(backward), testing::IsEmpty());
    EXPECT_FALSE(backward.functions.empty());
}

TEST_P(Samples, ProgramsThatAreNoVersionsOfEachOtherAreUnrelated) {
    const auto tally = load(image("tally", "baseline", "tally.exe"));
    const auto cxx = load(image("cxx", "baseline", "cxx.exe"));
    const auto heartbeat = load(image("heartbeat", "baseline", "heartbeat.dll"));
    ASSERT_TRUE(tally && cxx && heartbeat);
    for (const auto& [one, other] : {std::pair{tally.get(), cxx.get()},
                                     {cxx.get(), tally.get()},
                                     {tally.get(), heartbeat.get()},
                                     {heartbeat.get(), cxx.get()}}) {
        const ChangeSet set = compare(*one, *other);
        ASSERT_EQ(set.refusals.size(), 1u);
        EXPECT_EQ(set.refusals[0].code(), Code::unrelated_images);
    }
}

TEST_P(Samples, TwoRunsAgree) {
    const auto baseline = load(image("cxx", "baseline", "cxx.exe"));
    const auto updated = load(image("cxx", "updated", "cxx.exe"));
    ASSERT_TRUE(baseline && updated);
    const ChangeSet one = compare(*baseline, *updated);
    const ChangeSet other = compare(*baseline, *updated);
    EXPECT_EQ(one.matches, other.matches);
    EXPECT_EQ(messages_of(one), messages_of(other));
    ASSERT_EQ(one.functions.size(), other.functions.size());
    for (std::size_t i = 0; i < one.functions.size(); ++i) {
        EXPECT_EQ(one.functions[i].destinations, other.functions[i].destinations);
        EXPECT_EQ(one.functions[i].site, other.functions[i].site);
    }
}

INSTANTIATE_TEST_SUITE_P(Variants, Samples, testing::Values("clang", "clang-hotpatch", "gcc"), [](const auto& variant) {
    std::string name = variant.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

} // namespace
} // namespace suture::diff
