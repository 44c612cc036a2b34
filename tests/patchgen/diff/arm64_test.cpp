// Comparisons of real Arm64 images.
#include "tests/patchgen/arm64/pairs.hpp"

namespace suture::diff {
namespace {

struct Compared {
    explicit Compared(const std::string& name, bool use_symbols = true)
        : baseline(test::load_arm64(name, "baseline", use_symbols)),
          updated(test::load_arm64(name, "updated", use_symbols)), changes(compare(*baseline, *updated)) {}

    std::string why(const std::string& name) const {
        const auto found = std::ranges::find(changes.changes, name, &Change::name);
        return found == changes.changes.end() ? "" : found->why;
    }

    std::unique_ptr<const program::Program> baseline;
    std::unique_ptr<const program::Program> updated;
    ChangeSet changes;
};

TEST(CompareArm64, SaysWhatDiffers) {
    const Compared calls("calls");
    EXPECT_EQ(calls.why("call").substr(0, 16), "another function");
    EXPECT_EQ(calls.why("text").substr(0, 10), "other data");
    EXPECT_EQ(calls.why("prime").substr(0, 10), "other data");
    EXPECT_EQ(calls.why("scale").substr(0, 10), "other data");
    EXPECT_EQ(calls.why("limited").substr(0, 12), "code differs");
    EXPECT_EQ(calls.why("limit"), "new");
    EXPECT_EQ(calls.why("stays"), "");
}

TEST(CompareArm64, NamesTheFirstByteOfCodeThatIsNoAddress) {
    // add x0, x0, #1 has become #2: bits 10 on.
    EXPECT_EQ(Compared("branches").why("chooses"), "code differs at +0x11");
}

TEST(CompareArm64, SeesUnwindDataThatDiffers) {
    const Compared unwind("unwind");
    EXPECT_EQ(unwind.why("same"), "");
    EXPECT_EQ(unwind.why("described"), "unwind or exception data differs");
    EXPECT_EQ(unwind.why("handled"), "unwind or exception data differs");
}

TEST(CompareArm64, RefusesFunctionsWithHandlers) {
    const Compared unwind("unwind");
    ASSERT_EQ(unwind.changes.refusals.size(), 1u);
    EXPECT_EQ(unwind.changes.refusals[0].code(), Code::exception_handler);
    EXPECT_EQ(unwind.changes.refusals[0].place().function, "handled");
}

TEST(CompareArm64, FindsTheSameChangesWithoutSymbols) {
    for (const std::string name : {"branches", "calls", "imports", "shared_page", "switches"}) {
        const Compared with(name);
        const Compared without(name, false);
        const auto places = [](const ChangeSet& changes) {
            std::vector<std::pair<std::optional<Rva>, std::optional<Rva>>> result;
            for (const Change& change : changes.changes)
                result.emplace_back(change.baseline_rva, change.updated_rva);
            return result;
        };
        EXPECT_EQ(places(with.changes), places(without.changes)) << name;
    }
}

TEST(CompareArm64, RedirectsByOneBranch) {
    const Compared calls("calls");
    for (const EmittedFunction& function : calls.changes.functions)
        if (function.baseline) {
            ASSERT_TRUE(function.site);
            EXPECT_EQ(function.site->kind, isa::SiteKind::arm64_branch);
            EXPECT_EQ(function.site->entry_size, 4u);
        }
}

} // namespace
} // namespace suture::diff
