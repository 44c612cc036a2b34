#include "engine/pe/debug.hpp"
#include "engine/pe/limits.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;
using test::put;

constexpr std::array<std::uint8_t, 16> kGuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

PeBuilder sample() {
    PeBuilder pe;
    pe.debug(kGuid, 3, "C:\\build\\tally.pdb", 0x80);
    return pe;
}

Result<DebugInfo> read(const PeBuilder& pe) {
    const Bytes file = pe.file();
    return debug_info_of(*Image::parse(file, Layout::file));
}

template <class T>
Result<DebugInfo> read_with(std::uint64_t offset, T value) {
    PeBuilder pe = sample();
    put(pe.parts.back().content, offset, value);
    return read(pe);
}

TEST(DebugTest, FindsNothingWhereThereIsNoDirectory) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100));
    const auto info = read(pe);
    ASSERT_TRUE(info);
    EXPECT_FALSE(info->has_pdb);
    EXPECT_EQ(info->ex_dll_characteristics, 0u);
}

TEST(DebugTest, ReadsTheSameFromAFileAndItsMapping) {
    const Bytes file = sample().file();
    const Bytes mapped = sample().mapped(0x7ff000000000);
    for (const auto& image : {Image::parse(file, Layout::file), Image::parse(mapped, Layout::mapped)}) {
        const auto info = debug_info_of(*image);
        ASSERT_TRUE(info) << info.error().message();
        EXPECT_TRUE(info->has_pdb);
        EXPECT_EQ(info->guid, kGuid);
        EXPECT_EQ(info->age, 3u);
        EXPECT_EQ(info->pdb_path, "C:\\build\\tally.pdb");
        EXPECT_EQ(info->ex_dll_characteristics, 0x80u);
    }
}

TEST(DebugTest, PassesOverEntriesItDoesNotKnow) {
    EXPECT_FALSE(read_with(12, std::uint32_t{16})->has_pdb);         // type: reproducible build
    EXPECT_FALSE(read_with(20, std::uint32_t{0})->has_pdb);          // not mapped
    EXPECT_FALSE(read_with(56, std::uint32_t{0x3031424e})->has_pdb); // "NB10"
    EXPECT_FALSE(read_with(16, std::uint32_t{23})->has_pdb);         // shorter than the record
    EXPECT_EQ(read_with(28 + 12, std::uint32_t{2})->ex_dll_characteristics, 0u);
}

TEST(DebugTest, RefusesDataOutsideTheImage) {
    EXPECT_EQ(read_with(20, std::uint32_t{0x9000}).error().code(), Code::pe_bad_directory);
    EXPECT_FALSE(read_with(16, std::uint32_t{0xffffffff}));
    EXPECT_FALSE(read_with(28 + 20, std::uint32_t{0xffffffff}));
    EXPECT_FALSE(read_with(28 + 16, std::uint32_t{3})) << "flags cut off";
    EXPECT_FALSE(read_with(16, std::uint32_t{30})) << "the path has no end in the record";
}

TEST(DebugTest, RefusesDirectoriesOfOddSize) {
    PeBuilder pe = sample();
    pe.directory(Directory::debug, {{0x1000}, 27});
    EXPECT_EQ(read(pe).error().code(), Code::pe_bad_directory);
    pe.directory(Directory::debug, {{0x1000}, 28 * 2 + 1});
    EXPECT_FALSE(read(pe));
    pe.directory(Directory::debug, {{0x11f8}, 28});
    EXPECT_FALSE(read(pe));
    pe.section(".big", PeBuilder::kReadOnly, Bytes(28 * (kMaxDebugEntries + 1)));
    pe.directory(Directory::debug, {{0x2000}, 28 * (kMaxDebugEntries + 1)});
    EXPECT_FALSE(read(pe));
    pe.directory(Directory::debug, {{0x2000}, 28 * kMaxDebugEntries});
    EXPECT_TRUE(read(pe));
}

} // namespace
} // namespace suture::pe
