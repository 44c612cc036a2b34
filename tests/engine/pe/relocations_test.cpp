#include "engine/pe/relocations.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::append;
using test::PeBuilder;
using test::put;

/// An image with 0x2000 bytes of data at 0x1000 and the given relocation directory.
Result<std::vector<Relocation>> read(Bytes directory) {
    PeBuilder pe;
    pe.section(".data", PeBuilder::kData, Bytes(0x100), 0x2000);
    const auto size = static_cast<std::uint32_t>(directory.size());
    const Rva at = pe.section(".reloc", PeBuilder::kReadOnly, std::move(directory));
    pe.directory(Directory::relocations, {at, size});
    const Bytes file = pe.file();
    const Bytes mapped = pe.mapped();
    const auto image = Image::parse(file, Layout::file);
    const auto mapping = Image::parse(mapped, Layout::mapped);
    EXPECT_TRUE(image && mapping);
    auto found = relocations_of(*image);
    EXPECT_EQ(found.has_value(), relocations_of(*mapping).has_value());
    return found;
}

Bytes block(std::uint32_t page, const std::vector<std::uint16_t>& entries) {
    Bytes bytes;
    append(bytes, raw::RelocationBlock{page, static_cast<std::uint32_t>(8 + entries.size() * 2)});
    for (const std::uint16_t entry : entries)
        append(bytes, entry);
    return bytes;
}

TEST(RelocationsTest, ReadsNoneWhereThereIsNoDirectory) {
    PeBuilder pe;
    pe.section(".data", PeBuilder::kData, Bytes(0x100));
    const Bytes file = pe.file();
    EXPECT_TRUE(relocations_of(*Image::parse(file, Layout::file))->empty());
}

TEST(RelocationsTest, ReadsFieldsInAscendingOrderWhateverTheBlocksDo) {
    Bytes directory = block(0x2000, {0xa010, 0xa008});
    const Bytes first = block(0x1000, {0x3ffc, 0xa000, 0x0000});
    directory.insert(directory.end(), first.begin(), first.end());
    const auto relocations = read(directory);
    ASSERT_TRUE(relocations) << relocations.error().message();
    EXPECT_EQ(*relocations, (std::vector<Relocation>{{{0x1000}, 8}, {{0x1ffc}, 4}, {{0x2008}, 8}, {{0x2010}, 8}}));
}

TEST(RelocationsTest, ReadsWhatTheBuilderWrites) {
    PeBuilder pe;
    pe.section(".data", PeBuilder::kData, Bytes(0x3000));
    pe.relocations({{0x1000}, {0x1ff8}, {0x3010}});
    const Bytes file = pe.file();
    const auto relocations = relocations_of(*Image::parse(file, Layout::file));
    ASSERT_TRUE(relocations);
    EXPECT_EQ(*relocations, (std::vector<Relocation>{{{0x1000}, 8}, {{0x1ff8}, 8}, {{0x3010}, 8}}));
}

TEST(RelocationsTest, TakesZerosBehindTheLastBlock) {
    Bytes directory = block(0x1000, {0xa000});
    directory.resize(0x40);
    EXPECT_EQ(read(directory)->size(), 1u);
    directory.resize(0x43);
    EXPECT_EQ(read(directory)->size(), 1u);
    directory.back() = 1;
    EXPECT_EQ(read(directory).error().code(), Code::pe_bad_directory);
}

TEST(RelocationsTest, TakesAFieldThatCrossesAPageButNotASection) {
    EXPECT_TRUE(read(block(0x1000, {0xaffc})));
    EXPECT_FALSE(read(block(0x2000, {0xaffc})));
    EXPECT_TRUE(read(block(0x2000, {0xaff8})));
}

TEST(RelocationsTest, RefusesMalformedBlocks) {
    Bytes directory = block(0x1000, {0xa000});
    for (const std::uint32_t size : {1u, 7u, 9u, 12u, 0x7fffffffu, 0xfffffffeu}) {
        put(directory, 4, size);
        EXPECT_EQ(read(directory).error().code(), Code::pe_bad_directory) << size;
    }
    EXPECT_FALSE(read({1, 2, 3}));
}

TEST(RelocationsTest, RefusesUnknownTypes) {
    for (unsigned type = 1; type < 16; ++type) {
        const auto relocations = read(block(0x1000, {static_cast<std::uint16_t>(type << 12)}));
        EXPECT_EQ(relocations.has_value(), type == 3 || type == 10) << type;
    }
}

TEST(RelocationsTest, RefusesFieldsOutsideTheImage) {
    EXPECT_FALSE(read(block(0, {0xa000})));          // headers
    EXPECT_FALSE(read(block(0x100000, {0xa000})));   // behind the image
    EXPECT_FALSE(read(block(0xffffffff, {0xa002}))); // wraps
}

TEST(RelocationsTest, RefusesFieldsThatOverlap) {
    EXPECT_TRUE(read(block(0x1000, {0xa000, 0xa008})));
    EXPECT_FALSE(read(block(0x1000, {0xa000, 0xa007})));
    EXPECT_FALSE(read(block(0x1000, {0xa000, 0xa000})));
    EXPECT_FALSE(read(block(0x1000, {0x3000, 0xa000})));
    EXPECT_TRUE(read(block(0x1000, {0x3000, 0xa004})));
}

TEST(RelocationsTest, RefusesADirectoryThatLeavesItsSection) {
    PeBuilder pe;
    pe.section(".data", PeBuilder::kData, Bytes(0x100));
    for (const RvaRange range : {RvaRange{{0x10f8}, 12}, RvaRange{{0x9000}, 8}, RvaRange{{0x1000}, 0xffffffff}}) {
        pe.directory(Directory::relocations, range);
        const Bytes file = pe.file();
        EXPECT_EQ(relocations_of(*Image::parse(file, Layout::file)).error().code(), Code::pe_bad_directory);
    }
}

} // namespace
} // namespace suture::pe
