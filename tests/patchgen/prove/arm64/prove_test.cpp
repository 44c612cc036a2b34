// Packages of real images, damaged in ways that the format allows.
#include "engine/package/writer.hpp"
#include "patchgen/prove/arm64/instruction.hpp"
#include "tests/patchgen/arm64/pairs.hpp"

namespace suture::prove::arm64 {
namespace {

using package::Contents;
using package::FixupKind;
using test::Arm64Pair;

constexpr std::uint32_t kTrap = 0xd43e0000;

class Arm64Proof : public testing::TestWithParam<std::string> {
  protected:
    Arm64Proof() : pair_(GetParam()) {
        auto contents = pair_.emit();
        EXPECT_TRUE(contents) << (contents ? "" : contents.error().message());
        if (contents)
            contents_ = std::move(*contents);
    }

    Result<Proof> proof() const {
        SUTURE_TRY(const Bytes file, package::write_package(contents_));
        return prove(*pair_.baseline, *pair_.updated, file);
    }

    void expect_refuted(const std::string& what) const {
        const auto result = proof();
        ASSERT_FALSE(result) << what;
        if (result.error().code() == Code::proof_failed) {
            EXPECT_NE(result.error().message().find(".dll+0x"), std::string::npos) << result.error().message();
        }
    }

    package::SectionContent& section(std::string_view name) {
        return *std::ranges::find(contents_.sections, name, &package::SectionContent::name);
    }

    std::uint32_t word(std::uint32_t offset) { return *ByteView(section(".text").bytes).read<std::uint32_t>(offset); }
    void put(std::uint32_t offset, std::uint32_t word) {
        for (unsigned i = 0; i < kWordSize; ++i)
            section(".text").bytes[offset + i] = static_cast<std::uint8_t>(word >> 8 * i);
    }

    /// Bits of the instruction that a fixup writes.
    std::uint32_t fixed_up(Rva at) const {
        const auto& fixups = contents_.manifest.fixups;
        const auto fixup = std::ranges::find(fixups, at, &package::Fixup::source);
        return fixup == fixups.end()                      ? 0
               : fixup->kind == FixupKind::arm64_page21   ? distance_of(0x90000000).mask
               : fixup->kind == FixupKind::arm64_branch26 ? distance_of(0x14000000).mask
                                                          : 0xffffffff;
    }

    Arm64Pair pair_;
    Contents contents_;
};

TEST_P(Arm64Proof, HoldsForWhatEmitMakes) {
    const auto result = proof();
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->replaced, contents_.manifest.functions.size());
    EXPECT_EQ(result->emitted, pair_.changes.functions.size());
}

TEST_P(Arm64Proof, RefutesEveryBitOfTheCodeAndItsVeneers) {
    const package::SectionContent& text = section(".text");
    for (std::uint32_t offset = 0; offset + kWordSize <= text.bytes.size(); offset += kWordSize) {
        const std::uint32_t good = word(offset);
        // An add of nothing copies an address, and may as well copy it to a register that nothing reads.
        const bool copies = (good & 0xfffffc00) == 0x91000000;
        for (unsigned bit = 0; bit < 32; ++bit) {
            if ((copies && bit < 5) || fixed_up(text.rva + offset) >> bit & 1)
                continue; // whatever the file holds there is overwritten
            put(offset, good ^ 1u << bit);
            const auto result = proof();
            EXPECT_FALSE(result) << "bit " << bit << " of 0x" << std::hex << good << " at +0x" << offset;
        }
        put(offset, good);
    }
}

TEST_P(Arm64Proof, RefutesEveryFixupThatLeadsElsewhere) {
    const Contents good = contents_;
    for (std::size_t i = 0; i < good.manifest.fixups.size(); ++i) {
        const auto& fixup = good.manifest.fixups[i];
        for (const std::uint32_t step : {fixup.kind == FixupKind::arm64_page21 ? 0x1000u : 4u, 0x2000u}) {
            contents_.manifest.fixups[i].target = fixup.target + step;
            expect_refuted("target of fixup " + std::to_string(i));
            contents_.manifest.fixups[i].target = fixup.target - step;
            expect_refuted("target of fixup " + std::to_string(i));
        }
        contents_ = good;
        contents_.manifest.fixups.erase(contents_.manifest.fixups.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_FALSE(proof()) << "lack of fixup " << i;
        contents_ = good;
    }
}

TEST_P(Arm64Proof, RefutesEveryByteOfCopiedDataAndTables) {
    package::SectionContent& rdata = section(".rdata");
    // Records of unwind data have bytes that say nothing: those behind the end of their codes.
    for (const diff::EmittedFunction& function : pair_.changes.functions)
        for (const program::JumpTable& table : function.updated->jump_tables) {
            const auto content = pair_.updated->image().content(table.range());
            ASSERT_TRUE(content);
            const auto found = std::ranges::search(rdata.bytes, *content);
            if (found.empty())
                continue;
            for (std::uint8_t& byte : found) {
                byte ^= 1;
                EXPECT_FALSE(proof()) << "jump table of " << function.updated->display_name();
                byte ^= 1;
            }
        }
}

TEST_P(Arm64Proof, RefutesUnwindDataThatDiffers) {
    const Contents good = contents_;
    for (std::size_t i = 0; i < good.runtime_functions.size(); ++i) {
        contents_.runtime_functions.erase(contents_.runtime_functions.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_FALSE(proof()) << "lack of entry " << i;
        contents_ = good;
        if (good.runtime_functions[i].packed == 0)
            continue;
        for (unsigned bit = 13; bit < 32; ++bit) {
            contents_.runtime_functions[i].packed ^= 1u << bit;
            EXPECT_FALSE(proof()) << "bit " << bit << " of entry " << i;
            contents_ = good;
        }
    }
}

TEST_P(Arm64Proof, RefutesSwappedReplacements) {
    auto& functions = contents_.manifest.functions;
    for (std::size_t i = 1; i < functions.size(); ++i) {
        std::swap(functions[i - 1].patch, functions[i].patch);
        std::swap(functions[i - 1].patch_size, functions[i].patch_size);
        EXPECT_FALSE(proof()) << i;
        std::swap(functions[i - 1].patch, functions[i].patch);
        std::swap(functions[i - 1].patch_size, functions[i].patch_size);
    }
}

TEST_P(Arm64Proof, RefutesAChangedFunctionThatIsLeftAsItWas) {
    const Contents good = contents_;
    for (std::size_t i = 0; i < good.manifest.functions.size(); ++i) {
        contents_.manifest.functions.erase(contents_.manifest.functions.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_FALSE(proof()) << good.manifest.functions[i].name;
        contents_ = good;
    }
}

TEST_P(Arm64Proof, RefutesCodeInTheFill) {
    const package::SectionContent& text = section(".text");
    for (std::uint32_t offset = 0; offset + kWordSize <= text.bytes.size(); offset += kWordSize)
        if (word(offset) == kTrap) {
            put(offset, 0xd503201f);
            EXPECT_FALSE(proof());
            return;
        }
    GTEST_SKIP() << "no fill in the package";
}

INSTANTIATE_TEST_SUITE_P(Pairs, Arm64Proof, testing::Values("branches", "calls", "imports", "shared_page", "switches"),
                         [](const auto& one) { return one.param; });

} // namespace
} // namespace suture::prove::arm64
