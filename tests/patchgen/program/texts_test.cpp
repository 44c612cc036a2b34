#include "patchgen/program/texts.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::program {
namespace {

using test::PeBuilder;

struct TextsTest : testing::Test {
    std::optional<std::string> at(std::string_view content, std::uint32_t offset) {
        PeBuilder pe;
        const Rva begin = pe.section(".rdata", PeBuilder::kReadOnly, Bytes(content.begin(), content.end()), 0x40000);
        const Bytes file = pe.file();
        const auto image = pe::Image::parse(file, pe::Layout::file);
        const auto found = Texts(*image).at(begin + offset);
        return found ? std::optional(std::string(*found)) : std::nullopt;
    }
};

std::string with_nul(std::string text) {
    return text + '\0';
}

TEST_F(TextsTest, EndsAtTheNul) {
    EXPECT_EQ(at(with_nul("abc") + "def", 1), "bc");
    EXPECT_EQ(at(with_nul("abc"), 3), "");
    EXPECT_EQ(at(with_nul("line\r\n\tend\x1b\xc3\xa4"), 0), "line\r\n\tend\x1b\xc3\xa4");
}

TEST_F(TextsTest, HoldsNoControlCharacter) {
    EXPECT_EQ(at(with_nul("ab\x01"), 0), std::nullopt);
    EXPECT_EQ(at(with_nul(std::string(1000, 'a') + '\x02'), 5), std::nullopt);
}

TEST_F(TextsTest, LongRunsEndWhereTheyEnd) {
    const std::string content = with_nul("\x01" + std::string(255, 'a')) + with_nul(std::string(256, 'b')) +
                                with_nul(std::string(700, 'c')) + with_nul(std::string(3000, 'd'));
    EXPECT_EQ(at(content, 1), std::string(255, 'a'));
    EXPECT_EQ(at(content, 257), std::string(256, 'b'));
    EXPECT_EQ(at(content, 258), std::string(255, 'b'));
    EXPECT_EQ(at(content, 514), std::string(700, 'c'));
    EXPECT_EQ(at(content, 514 + 100), std::string(600, 'c'));
    EXPECT_EQ(at(content, 1215), std::string(3000, 'd'));
    EXPECT_EQ(at(content, 1215 + 2999), "d");
}

TEST_F(TextsTest, ReachesOverAtMostTheLengthOfText) {
    EXPECT_EQ(at(with_nul(std::string(kMaxText - 1, 'a')), 0), std::string(kMaxText - 1, 'a'));
    EXPECT_EQ(at(with_nul(std::string(kMaxText, 'a')), 0), std::nullopt);
    EXPECT_EQ(at(with_nul(std::string(kMaxText, 'a')), 1), std::string(kMaxText - 1, 'a'));
}

TEST_F(TextsTest, NeedsANulInTheBytesOfTheFile) {
    const std::string full(PeBuilder::kSector, 'a'); // no alignment behind it
    EXPECT_EQ(at(full, 0), std::nullopt);
    EXPECT_EQ(at(full, PeBuilder::kSector), std::nullopt);
}

TEST_F(TextsTest, IsFoundInHeadersToo) {
    PeBuilder pe;
    pe.section(".rdata", PeBuilder::kReadOnly, {1});
    Bytes file = pe.file();
    const auto end = static_cast<std::uint32_t>(PeBuilder::kHeaders);
    std::fill(file.begin() + end - 340, file.begin() + end - 1, 'h');
    const auto image = pe::Image::parse(file, pe::Layout::file);
    ASSERT_TRUE(image);
    EXPECT_EQ(Texts(*image).at(Rva{end - 340}), std::string(339, 'h'));
}

} // namespace
} // namespace suture::program
