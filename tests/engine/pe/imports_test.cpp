#include "engine/pe/imports.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;
using test::put;

PeBuilder sample() {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100, 0xc3));
    pe.imports({{"KERNEL32.dll", {"Sleep", "#17"}}, {"WS2_32.dll", {"send"}}});
    return pe;
}

constexpr std::uint64_t kDescriptors = 0x600; // file offset of the import directory of sample()

Result<std::vector<ImportSlot>> read(const Bytes& bytes, Layout layout = Layout::file) {
    const auto image = Image::parse(bytes, layout);
    EXPECT_TRUE(image) << image.error().message();
    return imports_of(*image);
}

template <class T>
Result<std::vector<ImportSlot>> read_with(std::uint64_t offset, T value) {
    Bytes file = sample().file();
    put(file, kDescriptors + offset, value);
    return read(file);
}

TEST(ImportsTest, ReadsNoneWhereThereIsNoDirectory) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100));
    EXPECT_TRUE(read(pe.file())->empty());
}

TEST(ImportsTest, ReadsNamesAndOrdinalsBySlot) {
    const PeBuilder pe = sample();
    const auto imports = read(pe.file());
    ASSERT_TRUE(imports) << imports.error().message();
    ASSERT_EQ(imports->size(), 3u);
    EXPECT_EQ((*imports)[0], (ImportSlot{"KERNEL32.dll", "Sleep", 0, pe.slots()[0], false}));
    EXPECT_EQ((*imports)[1], (ImportSlot{"KERNEL32.dll", "", 17, pe.slots()[1], false}));
    EXPECT_EQ((*imports)[2], (ImportSlot{"WS2_32.dll", "send", 0, pe.slots()[2], false}));
}

TEST(ImportsTest, ReadsAMappedImageByItsLookupTable) {
    const PeBuilder pe = sample();
    EXPECT_EQ(read(pe.mapped(0x7ff000000000), Layout::mapped), *read(pe.file()));
}

TEST(ImportsTest, ReadsNamesFromTheSlotsOfAFileWithoutLookupTable) {
    PeBuilder pe = sample();
    const auto whole = read(pe.file());
    put(pe.parts.back().content, 0, std::uint32_t{0});
    put(pe.parts.back().content, 20, std::uint32_t{0});
    EXPECT_EQ(read(pe.file()), *whole);
    const auto mapped = read(pe.mapped(), Layout::mapped);
    ASSERT_FALSE(mapped) << "the loader has put addresses in place of the names";
    EXPECT_EQ(mapped.error().code(), Code::pe_bad_directory);
}

TEST(ImportsTest, GoesByTheEmptyDescriptorAndNotByTheSizeOfTheDirectory) {
    PeBuilder pe = sample();
    pe.directory(Directory::imports, {{0x2000}, 1});
    EXPECT_EQ(read(pe.file())->size(), 3u);
    pe.directory(Directory::imports, {{0x2000}, 0x7fffffff});
    EXPECT_EQ(read(pe.file())->size(), 3u);
}

TEST(ImportsTest, IgnoresBoundAddresses) {
    Bytes file = sample().file();
    put(file, kDescriptors + 4, std::uint32_t{0xffffffff}); // TimeDateStamp: bound
    put(file, kDescriptors + 64, std::uint64_t{0x7ffd12345678});
    EXPECT_EQ(read(file), *read(sample().file()));
}

TEST(ImportsTest, ReadsDelayLoadedSlots) {
    PeBuilder pe = sample();
    const Rva at = pe.rva_of_next();
    Bytes bytes;
    test::append(bytes, raw::DelayLoadDescriptor{1, at.value + 64 + 32 + 9, 0, at.value + 64, at.value + 80, 0, 0, 0});
    test::append(bytes, raw::DelayLoadDescriptor{});
    test::append(bytes, std::uint64_t{0x180001010}); // slot: the address of a thunk until the first call
    test::append(bytes, std::uint64_t{0});
    test::append(bytes, std::uint64_t{at.value + 64 + 32});
    test::append(bytes, std::uint64_t{0});
    test::append(bytes, std::uint16_t{0});
    test::append_text(bytes, "Lazily");
    test::append_text(bytes, "LATE.dll");
    pe.section(".didat", PeBuilder::kData, bytes);
    pe.directory(Directory::delay_imports, {at, 64});
    const auto imports = read(pe.file());
    ASSERT_TRUE(imports) << imports.error().message();
    ASSERT_EQ(imports->size(), 4u);
    EXPECT_EQ(imports->back(), (ImportSlot{"LATE.dll", "Lazily", 0, at + 64, true}));

    put(pe.parts.back().content, 0, std::uint32_t{0});
    EXPECT_FALSE(read(pe.file())) << "pointers instead of RVAs";
}

TEST(ImportsTest, RefusesTablesWithoutEnd) {
    PeBuilder pe = sample();
    auto& content = pe.parts.back().content;
    content.resize(0x200);
    for (std::size_t at = 40; at < content.size(); at += 20) // descriptors to the end of the section
        std::copy_n(content.begin(), 20,
                    content.begin() + static_cast<std::ptrdiff_t>(std::min(at, content.size() - 20)));
    EXPECT_EQ(read(pe.file()).error().code(), Code::pe_bad_directory);
    EXPECT_FALSE(read_with(0, std::uint32_t{0x1000})) << "a lookup table of code";
    EXPECT_FALSE(read_with(0, std::uint32_t{0x9000}));
}

TEST(ImportsTest, RefusesWhatLiesOutsideTheImage) {
    EXPECT_FALSE(read_with(12, std::uint32_t{0x9000})); // name of the DLL
    EXPECT_FALSE(read_with(16, std::uint32_t{0x9000})); // slots
    EXPECT_FALSE(read_with(16, std::uint32_t{0xfffffff8}));
    EXPECT_FALSE(read_with(64 + 5 * 8, std::uint64_t{0x9000}));      // name in the lookup table
    EXPECT_FALSE(read_with(64 + 5 * 8, std::uint64_t{0x100002000})); // beyond 32 bits
}

TEST(ImportsTest, RefusesSlotsThatOverlap) {
    Bytes file = sample().file();
    const auto first = ByteView(file).read<std::uint32_t>(kDescriptors + 16);
    ASSERT_TRUE(first);
    EXPECT_FALSE(read_with(20 + 16, *first));
    EXPECT_FALSE(read_with(20 + 16, *first + 4));
}

} // namespace
} // namespace suture::pe
