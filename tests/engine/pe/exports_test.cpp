#include "engine/pe/exports.hpp"
#include "engine/pe/limits.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;
using test::put;

PeBuilder sample() {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100, 0xc3));
    pe.exports("sample.dll",
               {{"beta", {0x1010}, {}},
                {"", {0x1020}, {}},
                {"", {0}, {}},
                {"alpha", {0}, "OTHER.Function"},
                {"gamma", {0x10ff}, {}}},
               7);
    return pe;
}

constexpr std::uint64_t kTable = 0x600; // file offset of the export directory of sample()

template <class T>
Result<std::vector<Export>> read_with(std::uint64_t offset, T value) {
    Bytes file = sample().file();
    put(file, kTable + offset, value);
    return exports_of(*Image::parse(file, Layout::file));
}

TEST(ExportsTest, ReadsNoneWhereThereIsNoDirectory) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x100));
    const Bytes file = pe.file();
    EXPECT_TRUE(exports_of(*Image::parse(file, Layout::file))->empty());
}

TEST(ExportsTest, ReadsNamesOrdinalsAndForwarders) {
    const PeBuilder pe = sample();
    const Bytes file = pe.file();
    const Bytes mapped = pe.mapped(0x7ff000000000);
    const auto exports = exports_of(*Image::parse(file, Layout::file));
    ASSERT_TRUE(exports) << exports.error().message();
    ASSERT_EQ(exports->size(), 4u) << "the gap is no export";
    EXPECT_EQ((*exports)[0], (Export{"beta", 7, {0x1010}, {}}));
    EXPECT_EQ((*exports)[1], (Export{"", 8, {0x1020}, {}}));
    EXPECT_EQ((*exports)[2].name, "alpha");
    EXPECT_EQ((*exports)[2].ordinal, 10u);
    EXPECT_EQ((*exports)[2].forwarder, "OTHER.Function");
    EXPECT_EQ((*exports)[3], (Export{"gamma", 11, {0x10ff}, {}}));
    EXPECT_EQ(exports_of(*Image::parse(mapped, Layout::mapped)), *exports);
}

TEST(ExportsTest, GivesAnEntryWithSeveralNamesOncePerName) {
    Bytes file = sample().file();
    put(file, kTable + 40 + 5 * 4 + 3 * 4 + 0,
        std::uint16_t{0}); // the first name's ordinal, "alpha", becomes that of "beta"
    const auto exports = exports_of(*Image::parse(file, Layout::file));
    ASSERT_TRUE(exports);
    EXPECT_EQ((*exports)[0], (Export{"alpha", 7, {0x1010}, {}}));
    EXPECT_EQ((*exports)[1], (Export{"beta", 7, {0x1010}, {}}));
    EXPECT_EQ((*exports)[3], (Export{"", 10, (*exports)[3].rva, "OTHER.Function"}));
}

TEST(ExportsTest, RefusesArraysOutsideTheImage) {
    for (const std::uint64_t field : {28u, 32u, 36u}) {
        for (const std::uint32_t value : {0x1100u, 0x21ffu, 0x3000u, 0xfffffffcu}) {
            const auto exports = read_with(field, value);
            ASSERT_FALSE(exports) << field << " " << value;
            EXPECT_EQ(exports.error().code(), Code::pe_bad_directory);
        }
    }
}

TEST(ExportsTest, RefusesCountsBeyondTheLimits) {
    EXPECT_FALSE(read_with(20, std::uint32_t{kMaxExports + 1}));
    EXPECT_FALSE(read_with(20, std::uint32_t{0xffffffff}));
    EXPECT_FALSE(read_with(24, std::uint32_t{kMaxExports + 1}));
    EXPECT_FALSE(read_with(20, std::uint32_t{2})) << "names of entries that are not there";
}

TEST(ExportsTest, RefusesEntriesThatPointNowhere) {
    EXPECT_FALSE(read_with(40, std::uint32_t{0x3000}));         // address outside the image
    EXPECT_FALSE(read_with(40 + 5 * 4, std::uint32_t{0x1300})); // name outside every section
    EXPECT_FALSE(read_with(40 + 5 * 4, std::uint32_t{0x100}));  // empty name
    EXPECT_FALSE(read_with(40 + 5 * 4 + 3 * 4, std::uint16_t{5}));
}

TEST(ExportsTest, RefusesNamesWithoutEnd) {
    PeBuilder pe = sample();
    // "gamma" is the last thing in the section: without its NUL nothing ends it.
    pe.parts.back().content.back() = 'x';
    const Bytes file = pe.file();
    const auto exports = exports_of(*Image::parse(file, Layout::file));
    ASSERT_FALSE(exports);
    EXPECT_EQ(exports.error().code(), Code::pe_bad_directory);
}

TEST(ExportsTest, RefusesToCopyOneLongNameAnyNumberOfTimes) {
    PeBuilder pe;
    const std::uint32_t count = 0x8000;
    Bytes bytes(40);
    raw::ExportDirectory table{};
    table.number_of_functions = 1;
    table.number_of_names = count;
    table.address_of_functions = 0x1000 + 40;
    table.address_of_names = 0x1000 + 44;
    table.address_of_name_ordinals = 0x1000 + 44 + 4 * count;
    put(bytes, 0, table);
    test::append(bytes, std::uint32_t{0x1000});
    for (std::uint32_t i = 0; i < count; ++i)
        test::append(bytes, std::uint32_t{0x1000 + 44 + 6 * count});
    bytes.resize(bytes.size() + 2 * count);
    test::append_text(bytes, std::string(16000, 'n'));
    pe.section(".edata", PeBuilder::kReadOnly, bytes);
    pe.directory(Directory::exports, {{0x1000}, 40});
    const Bytes file = pe.file();
    const auto exports = exports_of(*Image::parse(file, Layout::file));
    ASSERT_FALSE(exports);
    EXPECT_EQ(exports.error().code(), Code::pe_bad_directory);
}

} // namespace
} // namespace suture::pe
