#include "patchgen/match/fingerprint.hpp"
#include "tests/patchgen/arm64/pairs.hpp"

namespace suture::match {
namespace {

using program::Function;
using program::Reference;
using program::ReferenceKind;

const Function& function_named(const program::Program& program, const std::string& name) {
    const auto found = std::ranges::find(program.functions(), name, &Function::display_name);
    EXPECT_NE(found, program.functions().end()) << name;
    return *found;
}

class Fingerprint : public testing::Test {
  protected:
    Digest of(const Function& function) const { return fingerprint_of(*program_, function); }
    /// `loads` of shared_page, to be bent.
    Function loads() const { return function_named(*program_, "loads"); }
    static Reference& reference(Function& function, ReferenceKind kind) {
        return *std::ranges::find(function.references, kind, &Reference::kind);
    }

    std::unique_ptr<const program::Program> program_ = test::load_arm64("shared_page", "baseline");
};

TEST_F(Fingerprint, IsTheSameWhereOnlyAddressesDiffer) {
    const auto before = test::load_arm64("calls", "baseline");
    const auto after = test::load_arm64("calls", "updated");
    for (const std::string name : {"call", "text", "stays", "prime"})
        EXPECT_EQ(fingerprint_of(*before, function_named(*before, name)),
                  fingerprint_of(*after, function_named(*after, name)))
            << name;
    EXPECT_NE(fingerprint_of(*before, function_named(*before, "count")),
              fingerprint_of(*after, function_named(*after, "count")));
}

TEST_F(Fingerprint, LeavesOutPagesAndTargets) {
    Function bent = loads();
    reference(bent, ReferenceKind::arm64_page21).target = bent.range.begin;
    reference(bent, ReferenceKind::arm64_low12_load).target = Rva{0x2040};
    EXPECT_EQ(of(bent), of(loads()));
}

TEST_F(Fingerprint, HoldsWhichAdrpAnInstructionGoesOnFrom) {
    Function bent = loads();
    ASSERT_FALSE(bent.page_uses.empty());
    bent.page_uses.pop_back();
    EXPECT_NE(of(bent), of(loads()));
}

TEST_F(Fingerprint, HoldsAllBitsThatAreNoAddress) {
    // The same instructions with a field of fewer bits: more of the word counts.
    Function bent = loads();
    reference(bent, ReferenceKind::arm64_branch26).kind = ReferenceKind::arm64_branch14;
    EXPECT_NE(of(bent), of(loads()));
    const auto before = test::load_arm64("branches", "baseline");
    const auto after = test::load_arm64("branches", "updated");
    EXPECT_NE(fingerprint_of(*before, function_named(*before, "chooses")),
              fingerprint_of(*after, function_named(*after, "chooses")));
}

TEST_F(Fingerprint, HoldsTheFormOfJumpTables) {
    const auto program = test::load_arm64("switches", "baseline");
    const Function& function = function_named(*program, "short_cases");
    ASSERT_EQ(function.jump_tables.size(), 1u);
    EXPECT_EQ(function.jump_tables[0].entry_size, 1u);
    for (const auto bend :
         {+[](program::JumpTable& table) { table.entry_size = 2; }, +[](program::JumpTable& table) { table.shift = 0; },
          +[](program::JumpTable& table) { table.is_signed = !table.is_signed; },
          +[](program::JumpTable& table) { table.targets[1] = table.targets[0]; }}) {
        Function bent = function;
        bend(bent.jump_tables[0]);
        EXPECT_NE(fingerprint_of(*program, bent), fingerprint_of(*program, function));
    }
}

} // namespace
} // namespace suture::match
