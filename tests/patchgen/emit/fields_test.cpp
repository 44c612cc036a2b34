#include "patchgen/emit/emit.hpp"
#include "tests/patchgen/samples.hpp"

#include <algorithm>

namespace suture::emit {
namespace {

using program::Function;
using program::Reference;
using program::ReferenceKind;
using test::SamplePair;

/// A change set whose first emitted function with a 4-byte reference out of itself can be bent.
class Fields : public testing::Test {
  protected:
    Fields() {
        for (diff::EmittedFunction& function : pair_.changes.functions) {
            for (std::size_t i = 0; i < function.updated->references.size(); ++i) {
                if (!std::holds_alternative<diff::ToBaseline>(function.destinations[i]) ||
                    function.updated->references[i].size != 4)
                    continue;
                bent_ = *function.updated;
                function.updated = &bent_;
                reference_ = &bent_.references[i];
                destination_ = &function.destinations[i];
                return;
            }
        }
    }

    Code refusal() {
        const auto contents = emit(*pair_.baseline, *pair_.updated, pair_.changes, {});
        EXPECT_FALSE(contents);
        return contents ? Code::package_malformed : contents.error().code();
    }

    SamplePair pair_{"heartbeat", "clang"};
    Function bent_;
    Reference* reference_ = nullptr;
    diff::Destination* destination_ = nullptr;
};

TEST_F(Fields, MakesAFixupOfAReferenceToTheBaseline) {
    *destination_ = diff::ToBaseline{{0x1234}};
    const auto contents = emit(*pair_.baseline, *pair_.updated, pair_.changes, {});
    ASSERT_TRUE(contents);
    const auto& fixups = contents->manifest.fixups;
    const auto found = std::ranges::find(fixups, Rva{0x1234}, &package::Fixup::target);
    ASSERT_NE(found, fixups.end());
    EXPECT_EQ(found->kind, package::FixupKind::rel32);
    EXPECT_EQ(found->addend, reference_->addend);
    EXPECT_EQ(found->source, Rva{0x1000} + reference_->offset);
}

TEST_F(Fields, RefusesAReferenceToAFunctionThatIsNotEmitted) {
    *destination_ = diff::ToEmitted{{0x7777}, 0};
    EXPECT_EQ(refusal(), Code::reference_unresolved);
}

TEST_F(Fields, RefusesAReferenceToDataThatIsNotEmitted) {
    *destination_ = diff::ToData{{0x7777}, 0};
    EXPECT_EQ(refusal(), Code::reference_unresolved);
}

TEST_F(Fields, RefusesAShortBranchToTheBaseline) {
    reference_->size = 1;
    EXPECT_EQ(refusal(), Code::reference_out_of_reach);
}

TEST_F(Fields, MakesAFixupOfAnImageRelativeReferenceIntoThePackage) {
    reference_->kind = ReferenceKind::image_relative;
    *destination_ = diff::ToEmitted{bent_.range.begin, 8};
    const auto contents = emit(*pair_.baseline, *pair_.updated, pair_.changes, {});
    ASSERT_TRUE(contents) << contents.error().message();
    const Rva begin = package::kFirstSection; // of the first function in the package
    const auto found =
        std::ranges::find(contents->manifest.fixups, begin + reference_->offset, &package::Fixup::source);
    ASSERT_NE(found, contents->manifest.fixups.end());
    EXPECT_EQ(*found, (package::Fixup{package::FixupKind::image_relative32, begin + reference_->offset, begin + 8, 0}));
}

TEST_F(Fields, RefusesAnImageRelativeReferenceWhereTheBaseIsNotTheBaselines) {
    reference_->kind = ReferenceKind::image_relative;
    *destination_ = diff::ToEmitted{bent_.range.begin, 8};
    Reference base = *reference_;
    base.kind = ReferenceKind::rip_relative;
    base.target = Rva{0};
    for (diff::EmittedFunction& function : pair_.changes.functions)
        if (function.updated == &bent_)
            function.destinations.push_back(*destination_);
    bent_.references.push_back(base);
    EXPECT_EQ(refusal(), Code::reference_out_of_reach);
}

TEST_F(Fields, WritesTheBaselinesAddressIntoAnImageRelativeReference) {
    reference_->kind = ReferenceKind::image_relative;
    *destination_ = diff::ToBaseline{{0x1234}};
    const auto contents = emit(*pair_.baseline, *pair_.updated, pair_.changes, {});
    ASSERT_TRUE(contents);
    EXPECT_EQ(ByteView(contents->sections[0].bytes).read<std::uint32_t>(reference_->offset), 0x1234u);
}

TEST_F(Fields, RefusesAJumpTableOfRvasOfTwoBytes) {
    bent_.jump_tables = {{bent_.range.begin, Rva{0}, {bent_.range.begin}, 2}};
    for (diff::EmittedFunction& function : pair_.changes.functions)
        if (function.updated == &bent_)
            function.table_destinations = {diff::ToEmitted{bent_.range.begin, 0}};
    EXPECT_EQ(refusal(), Code::reference_out_of_reach);
}

TEST_F(Fields, RefusesUnwindDataThatBeginsBeforeItsFunction) {
    ASSERT_FALSE(bent_.unwind.empty());
    bent_.unwind[0].range.begin = bent_.range.begin - 1;
    EXPECT_EQ(refusal(), Code::unwind_unsupported);
}

} // namespace
} // namespace suture::emit
