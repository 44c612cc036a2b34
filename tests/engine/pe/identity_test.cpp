#include "engine/pe/identity.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;

Bytes counting(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    return bytes;
}

/// Code of 3 pages with two relocated fields, and imports in code, as MSVC links with /MERGE:.idata=.text.
PeBuilder sample() {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, counting(0x2345), 0x2800);
    pe.section(".data", PeBuilder::kData, Bytes(0x100));
    pe.imports({{"KERNEL32.dll", {"Sleep", "Beep"}}}, ".itext", PeBuilder::kCode);
    pe.debug({9, 8, 7}, 2, "tally.pdb");
    pe.relocations({{0x1123}, {0x1ffc}, {0x4010}});
    return pe;
}

TEST(IdentityTest, ReadsTheHeaderIdentity) {
    PeBuilder pe = sample();
    pe.checksum = 77;
    const Bytes file = pe.file();
    const Bytes mapped = pe.mapped(0x7ff000000000);
    const auto identity = header_identity_of(*Image::parse(file, Layout::file));
    ASSERT_TRUE(identity) << identity.error().message();
    EXPECT_EQ(identity->machine, Machine::x64);
    EXPECT_EQ(identity->time_date_stamp, 0x5eed5eedu);
    EXPECT_EQ(identity->checksum, 77u);
    EXPECT_EQ(identity->size_of_image, pe.rva_of_next().value);
    EXPECT_TRUE(identity->has_pdb);
    EXPECT_EQ(identity->pdb_guid[1], 8);
    EXPECT_EQ(identity->pdb_age, 2u);
    EXPECT_EQ(header_identity_of(*Image::parse(mapped, Layout::mapped)), *identity);
}

TEST(IdentityTest, MasksRelocatedFieldsAndImportSlotsInCode) {
    const PeBuilder pe = sample();
    const Bytes file = pe.file();
    const auto masked = masked_fields_of(*Image::parse(file, Layout::file));
    ASSERT_TRUE(masked) << masked.error().message();
    const RvaRange slots{pe.slots()[0], 24}; // with the empty one that ends them
    EXPECT_EQ(*masked, (std::vector<RvaRange>{{{0x1123}, 8}, {{0x1ffc}, 8}, {{0x4010}, 8}, slots}));
}

TEST(IdentityTest, LeavesImportSlotsInDataAlone) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, counting(0x100));
    pe.imports({{"KERNEL32.dll", {"Sleep"}}});
    const Bytes file = pe.file();
    EXPECT_TRUE(masked_fields_of(*Image::parse(file, Layout::file))->empty());
}

TEST(IdentityTest, IsTheSameForAFileAndForItsMappingAnywhere) {
    const PeBuilder pe = sample();
    const Bytes file = pe.file();
    const Bytes mapped = pe.mapped(0x7ff123450000);
    const auto image = Image::parse(file, Layout::file);
    const auto mapping = Image::parse(mapped, Layout::mapped);
    const auto masked = masked_fields_of(*image);
    ASSERT_TRUE(masked);
    EXPECT_EQ(masked_fields_of(*mapping), *masked);
    const auto sections = section_identities_of(*image, *masked);
    ASSERT_TRUE(sections);
    ASSERT_EQ(sections->size(), 2u);
    EXPECT_EQ((*sections)[0].range, (RvaRange{{0x1000}, 0x2800}));
    EXPECT_EQ(section_identities_of(*mapping, *masked), *sections);
    EXPECT_NE(section_identities_of(*mapping, {}), *sections) << "the mapping is relocated";
}

TEST(IdentityTest, HashesMaskedBytesAsZeros) {
    const PeBuilder pe = sample();
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    const std::vector<RvaRange> masked = {{{0x1000}, 1}, {{0x1010}, 4}, {{0x101e}, 8}};
    Bytes expected = *image->content({{0x1000}, 0x20});
    expected[0] = 0;
    for (const std::size_t i : {0x10u, 0x11u, 0x12u, 0x13u, 0x1eu, 0x1fu})
        expected[i] = 0;
    EXPECT_EQ(masked_digest(*image, {{0x1000}, 0x20}, masked), digest_of(expected));
    // A range that begins inside a masked field.
    EXPECT_EQ(masked_digest(*image, {{0x1012}, 4}, masked), digest_of(Bytes{0, 0, expected[0x14], expected[0x15]}));
    EXPECT_EQ(masked_digest(*image, {{0x1014}, 2}, masked), digest_of(Bytes{expected[0x14], expected[0x15]}));
    EXPECT_EQ(masked_digest(*image, {{0x1014}, 0}, masked), digest_of({}));
}

TEST(IdentityTest, ChangesWithEveryByteThatIsNotMasked) {
    const PeBuilder pe = sample();
    Bytes file = pe.file();
    const std::vector<RvaRange> masked = {{{0x1003}, 8}};
    const RvaRange range{{0x1000}, 0x18};
    const auto before = masked_digest(*Image::parse(file, Layout::file), range, masked);
    for (std::uint32_t i = 0; i < range.size; ++i) {
        file[PeBuilder::kHeaders + i] ^= 0x40;
        const auto after = masked_digest(*Image::parse(file, Layout::file), range, masked);
        EXPECT_EQ(after.value() == before.value(), masked[0].contains(range.begin + i)) << i;
        file[PeBuilder::kHeaders + i] ^= 0x40;
    }
}

TEST(IdentityTest, PutsOverlaysInPlaceOfTheBytes) {
    const PeBuilder pe = sample();
    const Bytes file = pe.file();
    Bytes patched = file;
    const std::vector<Overlay> originals = {{{0x0ffe}, {0, 0, file[0x400]}},
                                            {{0x1100}, Bytes(file.begin() + 0x500, file.begin() + 0x505)},
                                            {{0x37ff}, {0, 0xee}}}; // the last byte of the section is zero fill
    patched[0x400] ^= 0xff;
    for (std::size_t i = 0x500; i < 0x505; ++i)
        patched[i] ^= 0xff;
    const auto clean = Image::parse(file, Layout::file);
    const auto image = Image::parse(patched, Layout::file);
    const RvaRange range{{0x1000}, 0x2800};
    EXPECT_NE(masked_digest(*image, range, {}), masked_digest(*clean, range, {}).value());
    EXPECT_EQ(masked_digest(*image, range, {}, originals), masked_digest(*clean, range, {}).value());
    // Masks stay in force on top of an overlay.
    const std::vector<RvaRange> masked = {{{0x1102}, 2}};
    EXPECT_EQ(masked_digest(*image, range, masked, originals), masked_digest(*clean, range, masked).value());
}

TEST(IdentityTest, HashesLargeSectionsAsAWhole) {
    PeBuilder pe;
    const Bytes code = counting(0x34567);
    pe.section(".text", PeBuilder::kCode, code, 0x45678); // several pieces, one of them of zeros alone
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    std::vector<RvaRange> masked = {{{0x1000 + 0xfffe}, 4}, {{0x1000 + 0x20000}, 1}, {{0x1000 + 0x34560}, 0x20}};
    std::vector<Overlay> overlays = {{{0x1000 + 0x2fff0}, Bytes(0x20, 0xaa)}};
    Bytes expected = code;
    expected.resize(0x45678);
    std::ranges::copy(overlays[0].bytes, expected.begin() + 0x2fff0);
    for (const RvaRange& mask : masked)
        std::fill_n(expected.begin() + mask.begin.value - 0x1000, mask.size, std::uint8_t{0});
    EXPECT_EQ(masked_digest(*image, {{0x1000}, 0x45678}, masked, overlays), digest_of(expected));
}

TEST(IdentityTest, RefusesRangesThatLeaveASection) {
    const PeBuilder pe = sample();
    const Bytes file = pe.file();
    const auto image = Image::parse(file, Layout::file);
    for (const RvaRange range : {RvaRange{{0x1000}, 0x2801}, RvaRange{{0}, 4}, RvaRange{{0x37ff}, 2},
                                 RvaRange{{0x1000}, 0xffffffff}, RvaRange{{0xfffffff0}, 0x20}})
        EXPECT_EQ(masked_digest(*image, range, {}).error().code(), Code::pe_truncated);
}

} // namespace
} // namespace suture::pe
