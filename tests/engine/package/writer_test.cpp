#include "engine/package/limits.hpp"
#include "engine/package/reader.hpp"
#include "engine/pe/load_config.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace suture::package {

namespace {

using namespace test;

std::string message_of(const auto& result) {
    return result ? std::string() : result.error().message();
}

/// Writes, reads, and compares all that was said.
void expect_round_trip(const Contents& contents) {
    const auto file = write_package(contents);
    ASSERT_TRUE(file) << message_of(file);
    const auto package = Package::parse(*file);
    ASSERT_TRUE(package) << message_of(package);
    EXPECT_EQ(package->manifest(), contents.manifest);

    std::vector<pe::Relocation> relocations;
    for (const Rva at : contents.relocations)
        relocations.push_back({at, 8});
    std::ranges::sort(relocations);
    EXPECT_EQ(package->relocations(), relocations);

    auto functions = contents.runtime_functions;
    std::ranges::sort(functions);
    EXPECT_EQ(package->runtime_functions(), functions);

    std::vector<Rva> slots;
    for (const pe::ImportSlot& import : package->imports())
        slots.push_back(import.slot);
    std::vector<Rva> wanted = contents.imports ? contents.imports->slots : std::vector<Rva>();
    std::ranges::sort(wanted);
    wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
    EXPECT_EQ(slots, wanted);

    for (const SectionContent& section : contents.sections) {
        Bytes content = section.bytes;
        content.resize(section.virtual_size);
        EXPECT_EQ(package->image().content({section.rva, section.virtual_size}), content) << section.name;
    }
    EXPECT_EQ(package->certificates_size(), 0u);
}

TEST(Writer, WritesWhatTheReaderGivesBack) {
    expect_round_trip(nothing());
    expect_round_trip(one_function());
    expect_round_trip(arm64_function());
    expect_round_trip(arm64_everything());
    expect_round_trip(everything());
    expect_round_trip(guarded());
}

TEST(Writer, WritesWhatTheReaderGivesBackForRandomContents) {
    std::mt19937_64 random(20260210);
    for (int i = 0; i < 300; ++i) {
        SCOPED_TRACE(i);
        expect_round_trip(random_contents(random));
        if (testing::Test::HasFailure())
            return;
    }
}

TEST(Writer, WritesManyFunctionsAndFixups) {
    Contents contents = nothing();
    constexpr std::uint32_t kCount = 10'000; // more than two chunks hold
    contents.manifest.baseline.size_of_image = 0x400000;
    contents.manifest.sections[0].range.size = 0x300000;
    contents.sections = {{".text", kFirstSection, Bytes(kCount * 8, 0x90), kCount * 8}};
    for (std::uint32_t i = 0; i < kCount; ++i) {
        Replacement function;
        function.baseline = {0x1010 + i * 16};
        function.baseline_size = 8;
        function.patch = kFirstSection + i * 8;
        function.patch_size = 8;
        set_site(function, isa::SiteKind::x64_padded, 2, function.baseline - 5u);
        contents.manifest.functions.push_back(std::move(function));
        contents.manifest.fixups.push_back({FixupKind::rel32, kFirstSection + (i * 8 + 4), {i}, i % 2 == 0 ? -4 : -5});
    }
    expect_round_trip(contents);
}

TEST(Writer, WritesTheSameBytesForTheSameContents) {
    EXPECT_EQ(*write_package(everything()), *write_package(everything()));
    // Lists without an order of their own may come in any.
    Contents other = everything();
    std::ranges::reverse(other.relocations);
    std::ranges::reverse(other.runtime_functions);
    EXPECT_EQ(*write_package(everything()), *write_package(other));
}

TEST(Writer, WritesAnotherTimeStampForOtherContents) {
    Contents other = one_function();
    other.sections[0].bytes[0] ^= 1;
    const Bytes a = *write_package(one_function()), b = *write_package(other);
    EXPECT_NE(Package::parse(a)->image().time_date_stamp(), Package::parse(b)->image().time_date_stamp());
}

TEST(Writer, KeepsAPackageOfOneFunctionSmall) {
    EXPECT_LE(write_package(one_function())->size(), 4096u);
}

TEST(Writer, WritesADllWithoutAnEntryPoint) {
    const Bytes file = *write_package(everything());
    const auto package = Package::parse(file);
    ASSERT_TRUE(package);
    const pe::Image& image = package->image();
    EXPECT_TRUE(image.is_dll());
    EXPECT_EQ(image.entry_point(), Rva{0});
    EXPECT_EQ(image.dll_characteristics(), 0x0160);
    EXPECT_EQ(image.image_base(), kPreferredBase);
    std::vector<std::string> names;
    for (const pe::Section& section : image.sections()) {
        names.push_back(section.name);
        EXPECT_FALSE(section.writable() && section.executable());
        EXPECT_EQ(section.writable(), section.name == ".data");
        EXPECT_EQ(section.executable(), section.name == ".text");
    }
    EXPECT_EQ(names, (std::vector<std::string>{".text", ".rdata", ".data", ".pdata", ".reloc", ".hotp"}));
}

TEST(Writer, SaysOfAGuardedBaselineThatItIsWhereToolsLook) {
    const Bytes file = *write_package(guarded());
    const pe::Image image = *pe::Image::parse(file, pe::Layout::file);
    EXPECT_EQ(image.dll_characteristics(), 0x4160);
    const auto config = pe::load_config_of(image);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->guard_flags, pe::kGuardInstrumented);
}

} // namespace

} // namespace suture::package
