#include "engine/pe/checksum.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using test::PeBuilder;

/// The rule as documented: add each 16-bit word and the carry, then the size.
std::uint32_t plain_checksum(Bytes file, std::size_t field) {
    for (std::size_t i = field; i < std::min(field + 4, file.size()); ++i)
        file[i] = 0;
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < file.size(); i += 2) {
        sum += file[i] + (i + 1 < file.size() ? 256u * file[i + 1] : 0u);
        sum = (sum >> 16) + (sum & 0xffff);
    }
    return sum + static_cast<std::uint32_t>(file.size());
}

TEST(ChecksumTest, AddsWordsWithTheirCarryAndTheSize) {
    const Bytes file = {0xff, 0xff, 0x02, 0x00, 0xaa, 0xbb, 0xcc, 0xdd};
    EXPECT_EQ(checksum_of(file, {4}), 0x0002u + 8); // ffff + 0002 = 1 0001, and the carry
}

TEST(ChecksumTest, AgreesWithTheRuleForAllSizesAndFields) {
    Bytes file;
    for (unsigned i = 0; i < 41; ++i) {
        for (std::size_t field = 0; field < file.size() + 6; ++field)
            ASSERT_EQ(checksum_of(file, {field}), plain_checksum(file, field)) << i << " " << field;
        file.push_back(static_cast<std::uint8_t>(255 - i * 37));
    }
}

TEST(ChecksumTest, HoldsForAFileThatCarriesItsOwn) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x123, 0xa5));
    Bytes file = pe.file();
    ASSERT_FALSE(checksum_holds(*Image::parse(file, Layout::file))) << "0 is no checksum";
    const FileOffset field = Image::parse(file, Layout::file)->checksum_offset();
    test::put(file, field.value, checksum_of(file, field));
    EXPECT_TRUE(checksum_holds(*Image::parse(file, Layout::file)));
    file.back() ^= 1;
    EXPECT_FALSE(checksum_holds(*Image::parse(file, Layout::file)));
}

TEST(ChecksumTest, SaysNothingOfAMapping) {
    PeBuilder pe;
    pe.section(".text", PeBuilder::kCode, Bytes(0x123, 0xa5));
    Bytes mapped = pe.mapped();
    const FileOffset field = Image::parse(mapped, Layout::mapped)->checksum_offset();
    test::put(mapped, field.value, checksum_of(mapped, field));
    EXPECT_FALSE(checksum_holds(*Image::parse(mapped, Layout::mapped)));
}

} // namespace
} // namespace suture::pe
