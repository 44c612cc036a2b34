#include "engine/package/reader.hpp"
#include "patchgen/emit/emit.hpp"
#include "tests/patchgen/samples.hpp"

#include <algorithm>

namespace suture::emit {
namespace {

using test::SamplePair;

package::Contents emitted(const SamplePair& pair, const Options& options = {}) {
    auto contents = emit(*pair.baseline, *pair.updated, pair.changes, options);
    EXPECT_TRUE(contents) << (contents ? "" : contents.error().message());
    return contents ? std::move(*contents) : package::Contents{};
}

TEST(Emit, MakesContentsThatTheReaderGivesBack) {
    for (const std::string variant : {"clang", "clang-hotpatch", "gcc"}) {
        const SamplePair pair("tally", variant);
        const package::Contents contents = emitted(pair);
        const auto file = package::write_package(contents);
        ASSERT_TRUE(file) << variant << ": " << file.error().message();
        const auto package = package::Package::parse(*file);
        ASSERT_TRUE(package) << variant << ": " << package.error().message();
        EXPECT_EQ(package->manifest(), contents.manifest) << variant;
    }
}

TEST(Emit, GivesTheSameBytesForTheSameInputs) {
    const SamplePair one("tally", "gcc");
    const SamplePair two("tally", "gcc");
    const auto first = package::write_package(emitted(one));
    const auto second = package::write_package(emitted(two));
    ASSERT_TRUE(first && second);
    EXPECT_EQ(*first, *second);
}

TEST(Emit, SaysWhichBaselineThePackageIsFor) {
    const SamplePair pair("heartbeat", "clang");
    const package::Manifest manifest = emitted(pair).manifest;
    EXPECT_EQ(manifest.module, "heartbeat.dll");
    EXPECT_EQ(manifest.baseline.time_date_stamp, pair.baseline->image().time_date_stamp());
    EXPECT_EQ(manifest.baseline.checksum, pair.baseline->image().checksum());
    EXPECT_TRUE(manifest.baseline.has_pdb);
    EXPECT_EQ(manifest.sections.size(), 1u);
    EXPECT_EQ(manifest.sequence, 1u);
    EXPECT_EQ(manifest.id, default_id(*pair.baseline, *pair.updated));
}

TEST(Emit, TakesIdAndSequenceFromTheOptions) {
    const SamplePair pair("heartbeat", "clang");
    const package::Manifest manifest = emitted(pair, {"fix of the year", 7, {}}).manifest;
    EXPECT_EQ(manifest.id, "fix of the year");
    EXPECT_EQ(manifest.sequence, 7u);
}

TEST(Emit, KeepsTheOriginalBytesOfEverySite) {
    const SamplePair pair("tally", "clang-hotpatch");
    const package::Manifest manifest = emitted(pair).manifest;
    ASSERT_FALSE(manifest.functions.empty());
    for (const package::Replacement& function : manifest.functions) {
        const auto entry = pair.baseline->image().bytes_at(function.baseline, function.site.original_size());
        ASSERT_TRUE(entry);
        EXPECT_EQ(ByteView(function.entry_bytes), *entry) << function.name;
        if (function.site.uses_pad()) {
            EXPECT_EQ(ByteView(function.pad_bytes),
                      *pair.baseline->image().bytes_at(function.site.pad, function.site.pad_size));
        }
    }
}

TEST(Emit, AlignsFunctionsAndFillsBetweenThem) {
    const SamplePair pair("tally", "clang");
    const package::Contents contents = emitted(pair);
    ASSERT_EQ(contents.sections.front().name, ".text");
    for (const package::Replacement& function : contents.manifest.functions) {
        EXPECT_EQ(function.patch.value % 16, 0u) << function.name;
        const std::uint32_t end = function.patch - contents.sections.front().rva + function.patch_size;
        if (end % 16 != 0 && end < contents.sections.front().bytes.size()) {
            EXPECT_EQ(contents.sections.front().bytes[end], 0xcc) << function.name;
        }
    }
}

TEST(Emit, PutsNewGlobalsIntoWritableDataAndZeroFillLast) {
    const SamplePair pair("tally", "clang");
    const package::Contents contents = emitted(pair);
    const auto named = [&](std::string_view name) {
        const auto& globals = contents.manifest.globals;
        const auto found = std::ranges::find(globals, name, &package::Global::name);
        return found != globals.end() ? &*found : nullptr;
    };
    const auto* first_audit = named("first_audit");
    const auto* audit_count = named("audit_count");
    ASSERT_TRUE(first_audit && audit_count);
    const package::SectionContent& data = contents.sections.back();
    ASSERT_EQ(data.name, ".data");
    EXPECT_LT(first_audit->at - data.rva, data.bytes.size());
    EXPECT_EQ(ByteView(data.bytes).read<std::uint32_t>(first_audit->at - data.rva), 1000u);
    EXPECT_GE(audit_count->at - data.rva, data.bytes.size());
    EXPECT_LT(audit_count->at - data.rva, data.virtual_size);
}

TEST(Emit, ImportsWhatTheBaselineDoesNot) {
    const SamplePair pair("tally", "clang");
    const auto file = package::write_package(emitted(pair));
    ASSERT_TRUE(file);
    const auto package = package::Package::parse(*file);
    ASSERT_TRUE(package);
    ASSERT_EQ(package->imports().size(), 1u);
    EXPECT_EQ(package->imports()[0].name, "GetTickCount64");
}

TEST(Emit, CarriesUnwindDataForEveryFunctionThatHasSome) {
    for (const std::string variant : {"clang", "gcc"}) {
        const SamplePair pair("tally", variant);
        std::size_t expected = 0;
        for (const diff::EmittedFunction& function : pair.changes.functions)
            expected += function.updated->unwind.size();
        EXPECT_EQ(emitted(pair).runtime_functions.size(), expected) << variant;
        EXPECT_GT(expected, 0u) << variant;
    }
}

} // namespace
} // namespace suture::emit
