#include "patchgen/emit/arm64/frame.hpp"
#include "tests/support/pe_builder.hpp"

#include <gtest/gtest.h>

namespace suture::emit::arm64 {
namespace {

constexpr Rva kCode{0x1000};

/// The frame of a function of `size` bytes with this .xdata record.
Result<Frame> frame_of_record(std::uint32_t size, std::initializer_list<std::uint32_t> words) {
    test::PeBuilder pe;
    pe.machine = Machine::arm64;
    pe.section(".text", test::PeBuilder::kCode, Bytes(size));
    Bytes record;
    for (const std::uint32_t word : words)
        test::append(record, word);
    const Rva at = pe.section(".xdata", test::PeBuilder::kReadOnly, std::move(record));
    const Bytes file = pe.file();
    const auto image = pe::Image::parse(file, pe::Layout::file);
    EXPECT_TRUE(image);
    return frame_of(*image, {{kCode, size}, at, 0});
}

Frame frame_of_packed(std::uint32_t size, std::uint32_t word) {
    test::PeBuilder pe;
    pe.machine = Machine::arm64;
    pe.section(".text", test::PeBuilder::kCode, Bytes(size));
    const Bytes file = pe.file();
    const auto image = pe::Image::parse(file, pe::Layout::file);
    const auto frame = frame_of(*image, {{kCode, size}, {}, word | size / 4 << 2});
    EXPECT_TRUE(frame) << (frame ? "" : frame.error().message());
    return frame.value_or(Frame{});
}

TEST(Frame, StandsBetweenPrologueAndEpilogueAtTheEnd) {
    // E = 1, the epilogue's codes are those of the prologue: save_fplr_x, end.
    const auto frame = frame_of_record(52, {13 | 1u << 21 | 1u << 27, 0xe3e3e481});
    ASSERT_TRUE(frame);
    EXPECT_FALSE(frame->stands_at(0));
    EXPECT_TRUE(frame->stands_at(4));
    EXPECT_TRUE(frame->stands_at(40));
    EXPECT_FALSE(frame->stands_at(44));
    EXPECT_FALSE(frame->stands_at(48));
    EXPECT_EQ(frame->codes, (Bytes{0xe5, 0x81, 0xe4}));
}

TEST(Frame, StandsBetweenEpiloguesWithScopes) {
    // Two epilogues at 16 and 40: codes set_fp, save_fplr_x, end; the epilogues begin with the second.
    const auto frame = frame_of_record(64, {16 | 2u << 22 | 1u << 27, 4u | 1u << 22, 10u | 1u << 22, 0xe3e481e1});
    ASSERT_TRUE(frame);
    EXPECT_FALSE(frame->stands_at(4));
    EXPECT_TRUE(frame->stands_at(8));
    EXPECT_FALSE(frame->stands_at(16));
    EXPECT_FALSE(frame->stands_at(20));
    EXPECT_TRUE(frame->stands_at(24));
    EXPECT_FALSE(frame->stands_at(44));
    EXPECT_TRUE(frame->stands_at(48));
    EXPECT_EQ(frame->codes, (Bytes{0xe5, 0xe1, 0x81, 0xe4}));
}

TEST(Frame, OfAFragmentHasNoPrologue) {
    const auto frame = frame_of_record(16, {4 | 1u << 27, 0xe3e481e5});
    ASSERT_TRUE(frame);
    EXPECT_TRUE(frame->stands_at(0));
    EXPECT_TRUE(frame->stands_at(12));
    EXPECT_EQ(frame->codes, (Bytes{0xe5, 0x81, 0xe4}));
}

TEST(Frame, OfAPackedFragmentStandsEverywhere) {
    const Frame frame = frame_of_packed(64, 2 | 3u << 21 | 1u << 23);
    EXPECT_TRUE(frame.stands_at(0));
    EXPECT_TRUE(frame.stands_at(60));
    EXPECT_TRUE(frame.codes.empty());
}

TEST(Frame, OfAPackedEntryLeavesOutWhatItsDocumentationLists) {
    // stp x29, x30, [sp, #-16]! ; mov x29, sp
    EXPECT_EQ(frame_of_packed(64, 1 | 3u << 21 | 1u << 23).prologue, 8u);
    // The same behind pacibsp.
    EXPECT_EQ(frame_of_packed(64, 1 | 2u << 21 | 1u << 23).prologue, 12u);
    // stp x19, x20, [sp, #-32]! ; str x30, [sp, #16]
    EXPECT_EQ(frame_of_packed(64, 1 | 2u << 16 | 1u << 21 | 2u << 23).prologue, 8u);
    // sub sp, sp, #64
    EXPECT_EQ(frame_of_packed(64, 1 | 4u << 23).prologue, 4u);
    // stp x19, x20 ; stp x21, x22 ; stp d8, d9 ; four homes ; sub sp, sp, #1024 ; stp x29, x30 ; mov x29, sp
    EXPECT_EQ(frame_of_packed(128, 1 | 1u << 13 | 4u << 16 | 1u << 20 | 3u << 21 | (112u + 1024) / 16 << 23).prologue,
              40u);
    const Frame frame = frame_of_packed(64, 1 | 3u << 21 | 1u << 23);
    EXPECT_TRUE(frame.stands_at(8));
    EXPECT_TRUE(frame.stands_at(44));
    EXPECT_FALSE(frame.stands_at(52));
    EXPECT_FALSE(frame.stands_at(60));
}

TEST(Frame, IsUnknownWhereTheRecordIsBroken) {
    const auto frame = frame_of_record(52, {13 | 1u << 21 | 1u << 27, 0x818181e3});
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code(), Code::pe_bad_directory);
}

} // namespace
} // namespace suture::emit::arm64
