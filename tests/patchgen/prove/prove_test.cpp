#include "engine/package/writer.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/prove/prove.hpp"
#include "tests/patchgen/samples.hpp"

#include <algorithm>
#include <cstring>

namespace suture::prove {
namespace {

using package::Contents;
using package::Replacement;
using test::SamplePair;

/// A sample's package, to be damaged in ways that the format allows.
class Prove : public testing::Test {
  protected:
    explicit Prove(const std::string& sample = "tally", const std::string& variant = "clang") : pair_(sample, variant) {
        auto contents = emit::emit(*pair_.baseline, *pair_.updated, pair_.changes, {});
        EXPECT_TRUE(contents) << (contents ? "" : contents.error().message());
        if (contents)
            contents_ = std::move(*contents);
    }

    Result<Proof> proof() const {
        const auto file = package::write_package(contents_);
        EXPECT_TRUE(file) << (file ? "" : file.error().message());
        return prove(*pair_.baseline, *pair_.updated, *file);
    }

    void expect_refuted(const std::string& what) const {
        const auto result = proof();
        ASSERT_FALSE(result) << what;
        EXPECT_EQ(result.error().code(), Code::proof_failed) << what << ": " << result.error().message();
    }

    Replacement& function(std::string_view name) {
        const auto found = std::ranges::find(contents_.manifest.functions, name, &Replacement::name);
        EXPECT_NE(found, contents_.manifest.functions.end()) << name;
        return *found;
    }

    const diff::EmittedFunction& emitted(std::string_view name) const {
        return *std::ranges::find_if(pair_.changes.functions, [&](const diff::EmittedFunction& one) {
            return std::ranges::count(one.updated->names, name) != 0;
        });
    }

    package::SectionContent& section(std::string_view name) {
        return *std::ranges::find(contents_.sections, name, &package::SectionContent::name);
    }

    /// Bytes of the package at an RVA.
    std::uint8_t* at(Rva rva) {
        for (package::SectionContent& one : contents_.sections)
            if (rva >= one.rva && rva - one.rva < one.bytes.size())
                return one.bytes.data() + (rva - one.rva);
        ADD_FAILURE() << "no bytes at " << rva.value;
        return nullptr;
    }

    SamplePair pair_;
    Contents contents_;
};

TEST_F(Prove, HoldsForWhatEmitMakes) {
    const auto result = proof();
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->replaced, contents_.manifest.functions.size());
    EXPECT_EQ(result->emitted, pair_.changes.functions.size());
    EXPECT_GT(result->unchanged, 0u);
    EXPECT_GT(result->references, 0u);
}

TEST(ProveSamples, HoldsForEachSampleAndCompilerInBothDirections) {
    for (const std::string sample : {"heartbeat", "tally", "cxx"})
        for (const std::string variant : {"clang", "clang-hotpatch", "gcc"})
            for (const bool forward : {true, false}) {
                const SamplePair pair(sample, variant, forward ? "baseline" : "updated",
                                      forward ? "updated" : "baseline");
                const auto contents = emit::emit(*pair.baseline, *pair.updated, pair.changes, {});
                ASSERT_TRUE(contents) << contents.error().message();
                const auto file = package::write_package(*contents);
                ASSERT_TRUE(file) << file.error().message();
                const auto result = prove(*pair.baseline, *pair.updated, *file);
                EXPECT_TRUE(result) << sample << " " << variant << ": " << result.error().message();
            }
}

TEST_F(Prove, RefutesEveryFixupThatLeadsElsewhere) {
    const Contents good = contents_;
    for (std::size_t i = 0; i < good.manifest.fixups.size(); ++i) {
        contents_ = good;
        contents_.manifest.fixups[i].target.value += 8;
        expect_refuted("target of fixup " + std::to_string(i));
        contents_ = good;
        contents_.manifest.fixups[i].addend += 1;
        expect_refuted("addend of fixup " + std::to_string(i));
        contents_ = good;
        contents_.manifest.fixups.erase(contents_.manifest.fixups.begin() + static_cast<std::ptrdiff_t>(i));
        expect_refuted("lack of fixup " + std::to_string(i));
    }
}

TEST_F(Prove, RefutesEveryByteOfCodeThatIsNotTheUpdatedImages) {
    const auto fixed_up = [&](Rva rva) {
        return std::ranges::any_of(contents_.manifest.fixups, [&](const package::Fixup& fixup) {
            return rva >= fixup.source && rva - fixup.source < (fixup.kind == package::FixupKind::rel32 ? 4u : 8u);
        });
    };
    for (const Replacement& function : contents_.manifest.functions)
        for (std::uint32_t i = 0; i < function.patch_size; ++i) {
            const Rva rva = function.patch + i;
            if (fixed_up(rva))
                continue; // whatever the file holds there is overwritten
            *at(rva) ^= 0x10;
            expect_refuted(function.name + "+" + std::to_string(i));
            *at(rva) ^= 0x10;
        }
}

TEST_F(Prove, RefutesCodeBetweenFunctions) {
    const Replacement& first = contents_.manifest.functions.front();
    package::SectionContent& text = section(".text");
    for (std::uint32_t i = first.patch - text.rva + first.patch_size; i < text.bytes.size(); ++i) {
        if (text.bytes[i] != 0xcc)
            break;
        text.bytes[i] = 0x90;
        expect_refuted("fill");
        return;
    }
    GTEST_SKIP() << "no fill in the package";
}

TEST_F(Prove, RefutesCopiedDataThatDiffers) {
    std::size_t tried = 0;
    for (const diff::EmittedData& data : pair_.changes.data) {
        if (data.object.writable || data.object.range.size == 0)
            continue;
        // Where a copy lies is found by its content.
        const auto content = pair_.updated->image().content(data.object.range);
        package::SectionContent& rdata = section(".rdata");
        const auto found = std::ranges::search(rdata.bytes, *content);
        if (found.empty() || !data.pointers.empty())
            continue;
        found.front() ^= 1;
        expect_refuted("data of 0x" + std::to_string(data.object.range.begin.value));
        found.front() ^= 1;
        ++tried;
    }
    EXPECT_GT(tried, 0u);
}

TEST_F(Prove, RefutesAnEntryOfAJumpTableThatLeadsElsewhere) {
    const diff::EmittedFunction& classify = emitted("classify");
    ASSERT_FALSE(classify.updated->jump_tables.empty());
    const program::JumpTable& table = classify.updated->jump_tables.front();
    const Rva code = function("classify").patch;
    // The copy is where distances to the copied code lead from.
    package::SectionContent& rdata = section(".rdata");
    std::optional<std::uint32_t> place;
    for (std::uint32_t offset = 0; offset + table.range().size <= rdata.bytes.size(); offset += 4) {
        bool all = true;
        for (std::size_t i = 0; all && i < table.targets.size(); ++i) {
            const Rva target = code + (table.targets[i] - classify.updated->range.begin);
            all = ByteView(rdata.bytes).read<std::uint32_t>(offset + 4 * i) == target - (rdata.rva + offset);
        }
        if (all)
            place = offset;
    }
    ASSERT_TRUE(place);
    for (std::size_t i = 0; i < table.targets.size(); ++i) {
        std::uint8_t& byte = rdata.bytes[*place + 4 * i];
        byte ^= 1;
        expect_refuted("entry " + std::to_string(i));
        byte ^= 1;
    }
}

TEST_F(Prove, RefutesSwappedReplacements) {
    Replacement& one = function("price");
    Replacement& other = function("weigh");
    std::swap(one.patch, other.patch);
    std::swap(one.patch_size, other.patch_size);
    expect_refuted("swapped");
}

TEST_F(Prove, RefutesAChangedFunctionThatIsLeftAsItWas) {
    std::erase_if(contents_.manifest.functions, [](const Replacement& one) { return one.name == "weigh"; });
    expect_refuted("left out");
}

TEST_F(Prove, RefutesAReplacementForAFunctionOfAnotherSize) {
    function("weigh").baseline_size -= 1;
    expect_refuted("size");
}

TEST_F(Prove, RefutesAnImportOfAnotherName) {
    ASSERT_TRUE(contents_.imports);
    const Rva begin = contents_.imports->directory.begin;
    *contents_.imports = package::build_import_table({{"KERNEL32.dll", "GetTickCount65", 0}}, begin);
    std::ranges::copy(contents_.imports->bytes, at(begin));
    expect_refuted("import");
}

TEST_F(Prove, RefutesANewGlobalThatStartsWithAnotherValue) {
    ++section(".data").bytes[0];
    expect_refuted("global");
}

TEST_F(Prove, RefutesUnwindDataThatDiffers) {
    ASSERT_FALSE(contents_.runtime_functions.empty());
    ++*at(contents_.runtime_functions[0].unwind_info + 1); // bytes of the prologue
    expect_refuted("unwind data");
}

TEST_F(Prove, RefutesCodeWithoutItsUnwindData) {
    contents_.runtime_functions.pop_back();
    expect_refuted("unwind entry");
}

TEST_F(Prove, RefutesOriginalBytesThatAreNotTheBaselines) {
    contents_.manifest.functions[0].entry_bytes[0] ^= 1;
    expect_refuted("entry bytes");
}

TEST_F(Prove, RefutesADigestThatIsNotTheBaselines) {
    contents_.manifest.functions[0].baseline_digest.bytes[0] ^= 1;
    expect_refuted("digest");
}

TEST_F(Prove, RefutesASiteInTheMiddleOfAnInstruction) {
    Replacement& one = contents_.manifest.functions[0];
    ASSERT_LT(one.site.displaced, 19u);
    one.site.displaced += 1;
    one.entry_bytes = pair_.baseline->image().bytes_at(one.baseline, one.site.original_size())->copy();
    expect_refuted("site");
}

TEST_F(Prove, RefutesAHashOfAnotherFile) {
    contents_.manifest.baseline_sha256[0] ^= 1;
    expect_refuted("hash");
}

TEST_F(Prove, RefutesAPackageForAnotherBaseline) {
    const SamplePair other("heartbeat", "clang");
    const auto file = package::write_package(contents_);
    ASSERT_TRUE(file);
    const auto result = prove(*other.baseline, *other.updated, *file);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::proof_failed);
}

TEST_F(Prove, RefusesADamagedPackageAsSuch) {
    auto file = package::write_package(contents_);
    ASSERT_TRUE(file);
    file->at(file->size() / 2) ^= 1;
    const auto result = prove(*pair_.baseline, *pair_.updated, *file);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().code(), Code::proof_failed);
}

} // namespace
} // namespace suture::prove
