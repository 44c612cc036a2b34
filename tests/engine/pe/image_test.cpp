#include "engine/pe/image.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;
using test::put;

constexpr std::uint64_t kOptional = PeBuilder::kOptionalAt;
constexpr std::uint64_t kSections = PeBuilder::kSectionsAt;

PeBuilder three_sections() {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x300, 0xcc));                 // 0x1000, file 0x400
    pe.section(".data", PeBuilder::kData, Bytes{1, 2, 3, 4, 5, 6, 7}, 0x1800); // 0x2000, file 0x800
    pe.section(".bss", PeBuilder::kData, {}, 0x1000);                          // 0x4000, no file data
    return pe;
}

Code code_of(ByteView bytes, Layout layout = Layout::file) {
    const auto image = Image::parse(bytes, layout);
    EXPECT_FALSE(image.has_value());
    return image ? Code::file_unreadable : image.error().code();
}

template <class T>
Code code_with(std::uint64_t at, T value) {
    Bytes bytes = three_sections().file();
    put(bytes, at, value);
    return code_of(bytes);
}

TEST(ImageTest, ReadsWhatTheHeadersSay) {
    PeBuilder pe = three_sections();
    pe.entry_point = {0x1010};
    pe.checksum = 0x1234;
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->machine(), Machine::x64);
    EXPECT_EQ(image->time_date_stamp(), 0x5eed5eedu);
    EXPECT_EQ(image->checksum(), 0x1234u);
    EXPECT_EQ(ByteView(file).read<std::uint32_t>(image->checksum_offset().value), 0x1234u);
    EXPECT_EQ(image->size_of_image(), 0x5000u);
    EXPECT_EQ(image->size_of_headers(), 0x400u);
    EXPECT_EQ(image->image_base(), Va{0x180000000});
    EXPECT_EQ(image->entry_point(), Rva{0x1010});
    EXPECT_EQ(image->subsystem(), 3);
    EXPECT_EQ(image->section_alignment(), 0x1000u);
    EXPECT_TRUE(image->is_dll());
    EXPECT_EQ(image->coff_symbol_count(), 0u);
    ASSERT_EQ(image->sections().size(), 3u);
    EXPECT_EQ(image->sections()[0].name, ".text");
    EXPECT_TRUE(image->sections()[0].executable());
    EXPECT_FALSE(image->sections()[0].writable());
    EXPECT_EQ(image->sections()[1].range, (RvaRange{{0x2000}, 0x1800}));
    EXPECT_EQ(image->sections()[1].initialised_size(), 0x200u);
    EXPECT_EQ(image->sections()[2].initialised_size(), 0u);
    EXPECT_EQ(image->section_named(".data"), &image->sections()[1]);
    EXPECT_EQ(image->section_named(".none"), nullptr);
}

TEST(ImageTest, TakesArm64AndNoOtherMachine) {
    PeBuilder pe = three_sections();
    pe.machine = Machine::arm64;
    const Bytes file = pe.file();
    ASSERT_TRUE(Image::parse(file, Layout::file));
    EXPECT_EQ(Image::parse(file, Layout::file)->machine(), Machine::arm64);
    EXPECT_EQ(code_with<std::uint16_t>(PeBuilder::kLfanew + 4, 0x014c), Code::pe_machine_unsupported); // i386
    EXPECT_EQ(code_with<std::uint16_t>(PeBuilder::kLfanew + 4, 0), Code::pe_machine_unsupported);
}

TEST(ImageTest, NamesTheMachinesThatOnlyLookLikeArm64) {
    for (const auto& [machine, name] : {std::pair<std::uint16_t, const char*>{0xa641, "Arm64EC"}, {0xa64e, "Arm64X"}}) {
        Bytes file = three_sections().file();
        test::put(file, PeBuilder::kLfanew + 4, machine);
        const auto image = Image::parse(file, Layout::file);
        ASSERT_FALSE(image);
        EXPECT_EQ(image.error().code(), Code::pe_machine_unsupported);
        EXPECT_NE(image.error().message().find(name), std::string::npos) << image.error().message();
    }
}

TEST(ImageTest, FindsTheSectionOfAnAddress) {
    const Bytes file = three_sections().file();
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->section_at({0x0fff}), nullptr);
    EXPECT_EQ(image->section_at({0x1000})->name, ".text");
    EXPECT_EQ(image->section_at({0x12ff})->name, ".text");
    EXPECT_EQ(image->section_at({0x1300}), nullptr);
    EXPECT_EQ(image->section_at({0x37ff})->name, ".data");
    EXPECT_EQ(image->section_at({0x4fff})->name, ".bss");
    EXPECT_EQ(image->section_at({0x5000}), nullptr);
    EXPECT_EQ(image->section_at({0xffffffff}), nullptr);
    EXPECT_TRUE(image->in_one_section({{0x1000}, 0x300}));
    EXPECT_FALSE(image->in_one_section({{0x1000}, 0x301}));
    EXPECT_FALSE(image->in_one_section({{0x3700}, 0xffffffff}));
}

TEST(ImageTest, GivesInitialisedBytesOfHeadersAndSectionsOnly) {
    const Bytes file = three_sections().file();
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->read<std::uint16_t>({0}), 0x5a4d);
    EXPECT_EQ(image->bytes_at({0x1000}, 0x300)->size(), 0x300u);
    EXPECT_FALSE(image->bytes_at({0x1000}, 0x301));
    EXPECT_EQ(image->read<std::uint32_t>({0x2001}), 0x05040302u);
    EXPECT_TRUE(image->bytes_at({0x21ff}, 1));
    EXPECT_FALSE(image->bytes_at({0x21ff}, 2)); // the second is zero fill
    EXPECT_FALSE(image->bytes_at({0x2200}, 1));
    EXPECT_FALSE(image->bytes_at({0x400}, 1)); // behind the headers
    EXPECT_FALSE(image->bytes_at({0x1000}, ~std::uint64_t{0}));
    EXPECT_EQ(image->bytes_from({0x12f0})->size(), 0x10u);
    EXPECT_FALSE(image->bytes_from({0x4000}));
    EXPECT_TRUE(image->is_zero_fill({0x2200}));
    EXPECT_TRUE(image->is_zero_fill({0x4000}));
    EXPECT_FALSE(image->is_zero_fill({0x21ff}));
    EXPECT_FALSE(image->is_zero_fill({0x5000}));
    EXPECT_EQ(image->file_offset({0x2001}), FileOffset{0x801});
}

TEST(ImageTest, TakesZeroFillOfAMappedImageAsInitialised) {
    const Bytes mapped = three_sections().mapped(0x7ff000000000);
    const auto image = Image::parse(mapped, Layout::mapped);
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->image_base(), Va{0x7ff000000000});
    EXPECT_EQ(image->read<std::uint32_t>({0x2001}), 0x05040302u);
    EXPECT_EQ(image->read<std::uint32_t>({0x4000}), 0u);
    EXPECT_FALSE(image->bytes_at({0x37ff}, 2));
    EXPECT_TRUE(image->is_zero_fill({0x4000}));
    EXPECT_FALSE(image->file_offset({0x1000}));
}

TEST(ImageTest, CopiesContentWithItsZeroFill) {
    const PeBuilder pe = three_sections();
    const Bytes file = pe.file();
    const Bytes mapped = pe.mapped();
    for (const auto& [bytes, layout] : {std::pair{file, Layout::file}, std::pair{mapped, Layout::mapped}}) {
        const auto image = Image::parse(bytes, layout);
        ASSERT_TRUE(image);
        const auto content = image->content({{0x2005}, 0x1000});
        ASSERT_TRUE(content);
        EXPECT_EQ(content->size(), 0x1000u);
        EXPECT_EQ((*content)[0], 6);
        EXPECT_EQ((*content)[1], 7);
        EXPECT_EQ((*content)[2], 0);
        EXPECT_EQ(image->content({{0x4000}, 0x1000}), Bytes(0x1000, 0));
        EXPECT_FALSE(image->content({{0x1000}, 0x1001})); // no section behind .text
        EXPECT_FALSE(image->content({{0x5000}, 1}));
        EXPECT_FALSE(image->content({{0x4000}, 0xffffffff}));
    }
}

TEST(ImageTest, CopiesContentAcrossSectionsThatAdjoin) {
    PeBuilder pe;
    pe.section(".a", PeBuilder::kData, Bytes(0x1000, 1));
    pe.section(".b", PeBuilder::kData, Bytes(0x10, 2));
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->content({{0x1ffe}, 4}), (Bytes{1, 1, 2, 2}));
    EXPECT_FALSE(image->bytes_at({0x1ffe}, 4));
}

TEST(ImageTest, ReadsStringsThatEndInTheirSection) {
    PeBuilder pe;
    const Rva at = pe.section(".a", PeBuilder::kData, {'a', 'b', 0, 'c', 'd'});
    pe.parts.back().virtual_size = 5;
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->string_at(at, 100), "ab");
    EXPECT_FALSE(image->string_at(at, 2));
    EXPECT_FALSE(image->string_at(at + 3, 100));
    EXPECT_FALSE(image->string_at({0x9000}, 100));
}

TEST(ImageTest, TakesASectionWithoutVirtualSizeAsLargeAsItsRawData) {
    Bytes file = three_sections().file();
    put(file, kSections + 8, std::uint32_t{0});
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->sections()[0].range.size, 0x400u);
}

TEST(ImageTest, IgnoresRawDataBehindTheVirtualSize) {
    Bytes file = three_sections().file();
    put(file, kSections + 8, std::uint32_t{0x10});
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_TRUE(image->bytes_at({0x1000}, 0x10));
    EXPECT_FALSE(image->bytes_at({0x1000}, 0x11));
}

TEST(ImageTest, TakesTrailingBytesOfAFile) {
    Bytes file = three_sections().file();
    file.resize(file.size() + 12345, 0xee);
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->bytes().size(), file.size());
}

TEST(ImageTest, ReadsLongSectionNamesFromTheStringTableOfAFile) {
    PeBuilder pe;
    pe.section("/4", PeBuilder::kReadOnly, Bytes(0x10, 1));
    pe.section("/99", PeBuilder::kReadOnly, Bytes(0x10, 1));
    pe.section("/x", PeBuilder::kReadOnly, Bytes(0x10, 1));
    Bytes file = pe.file();
    put(file, PeBuilder::kLfanew + 4 + 8, static_cast<std::uint32_t>(file.size())); // PointerToSymbolTable
    put(file, PeBuilder::kLfanew + 4 + 12, std::uint32_t{1});                       // NumberOfSymbols
    file.resize(file.size() + 18);
    test::append(file, std::uint32_t{16});
    test::append_text(file, ".debug_info");
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->sections()[0].name, ".debug_info");
    EXPECT_EQ(image->sections()[1].name, "/99");
    EXPECT_EQ(image->sections()[2].name, "/x");
    EXPECT_EQ(image->coff_symbol_count(), 1u);
}

TEST(ImageTest, TellsDirectoriesAndWhereTheyStand) {
    PeBuilder pe = three_sections();
    pe.directory(Directory::resources, {{0x2000}, 0x20});
    pe.directory(Directory::certificates, {{0xfffffff0}, 0xffffffff});
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image) << "directories are checked by those who read them";
    EXPECT_EQ(image->directory(Directory::resources), (RvaRange{{0x2000}, 0x20}));
    EXPECT_EQ(image->directory(Directory::clr), RvaRange{});
    EXPECT_EQ(ByteView(file).read<std::uint32_t>(image->directory_offset(Directory::resources).value), 0x2000u);
}

TEST(ImageTest, HasNoDirectoriesBehindTheirNumber) {
    PeBuilder pe = three_sections();
    pe.directory(Directory::debug, {{0x2000}, 28});
    Bytes file = pe.file();
    put(file, kOptional + 108, std::uint32_t{6});
    const auto image = Image::parse(file, Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->directory(Directory::debug), RvaRange{});
}

TEST(ImageTest, RefusesEveryPrefixOfAFile) {
    const Bytes file = three_sections().file();
    for (std::size_t size = 0; size < file.size(); ++size) {
        const Code code = code_of(ByteView(file.data(), size));
        ASSERT_EQ(code, Code::pe_truncated) << size;
    }
}

TEST(ImageTest, RefusesAMappingShorterThanSizeOfImage) {
    const Bytes mapped = three_sections().mapped();
    EXPECT_EQ(code_of(ByteView(mapped.data(), mapped.size() - 1), Layout::mapped), Code::pe_truncated);
    EXPECT_EQ(code_of(ByteView(mapped.data(), 0x400), Layout::mapped), Code::pe_truncated);
}

TEST(ImageTest, RefusesMalformedHeaders) {
    EXPECT_EQ(code_with<std::uint16_t>(0, 0x4d5a), Code::pe_bad_header);     // "ZM"
    EXPECT_EQ(code_with<std::uint32_t>(60, 0x84), Code::pe_bad_header);      // no signature there
    EXPECT_EQ(code_with<std::uint32_t>(60, 0xfffffffe), Code::pe_truncated); // e_lfanew
    EXPECT_EQ(code_with<std::uint32_t>(PeBuilder::kLfanew, 0x4550 | 0x10000), Code::pe_bad_header);
    EXPECT_EQ(code_with<std::uint16_t>(PeBuilder::kLfanew + 6, 97), Code::pe_bad_header);   // sections
    EXPECT_EQ(code_with<std::uint16_t>(PeBuilder::kLfanew + 6, 96), Code::pe_bad_header);   // outside the headers
    EXPECT_EQ(code_with<std::uint16_t>(PeBuilder::kLfanew + 20, 111), Code::pe_bad_header); // optional header
    EXPECT_EQ(code_with<std::uint16_t>(PeBuilder::kLfanew + 20, 0xffff), Code::pe_bad_header);
    EXPECT_EQ(code_with<std::uint16_t>(kOptional, 0x10b), Code::pe_bad_header);       // PE32
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 16, 0x5000), Code::pe_bad_header); // entry point
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 32, 0), Code::pe_bad_header);      // section alignment
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 32, 0x1800), Code::pe_bad_header);
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 56, 0), Code::pe_bad_header); // SizeOfImage
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 56, 0x80000001), Code::pe_bad_header);
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 56, 0x4fff), Code::pe_bad_header); // .bss sticks out
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 60, 0x100), Code::pe_bad_header);  // SizeOfHeaders
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 60, 0x1001), Code::pe_truncated);
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 60, 0x80000000), Code::pe_bad_header);
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 108, 17), Code::pe_bad_header); // directories
    EXPECT_EQ(code_with<std::uint32_t>(kOptional + 108, 0x20000000), Code::pe_bad_header);
}

TEST(ImageTest, RefusesSectionsThatContradictTheImage) {
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 12, 0x1010), Code::pe_bad_header);     // not aligned
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 12, 0), Code::pe_bad_header);          // over the headers
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 12, 0x4000), Code::pe_bad_header);     // descending
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 8, 0x1001), Code::pe_bad_header);      // overlaps .data
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 80 + 8, 0x1001), Code::pe_bad_header); // ends behind the image
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 80 + 8, 0xffffffff), Code::pe_bad_header);
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 16, 0x100000), Code::pe_truncated); // raw data
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 20, 0xfffffe00), Code::pe_truncated);
    EXPECT_EQ(code_with<std::uint32_t>(kSections + 20, 0x401), Code::pe_bad_header); // loaders round this down
}

TEST(ImageTest, NeverChecksRawDataOfAMapping) {
    Bytes mapped = three_sections().mapped();
    put(mapped, kSections + 20, std::uint32_t{0xfffffe00});
    EXPECT_TRUE(Image::parse(mapped, Layout::mapped));
}

} // namespace
} // namespace suture::pe
