#include "loader/linux/maps.hpp"

#include <gtest/gtest.h>

namespace suture::loader {
namespace {

TEST(Maps, ReadsEveryFieldOfALine) {
    const auto maps = parse_maps("140000000-140001000 r--p 00000000 fe:00 11026466                         /a b/c.exe\n"
                                 "140001000-140009000 r-xs 00001000 00:00 0 \n"
                                 "7ffe0000000-7ffe0001000 ---p 00000000 00:00 0                          [stack]\n");
    ASSERT_EQ(maps.size(), 3u);
    EXPECT_EQ(maps[0].range, (VaRange{Va{0x140000000}, 0x1000}));
    EXPECT_TRUE(maps[0].readable && !maps[0].writable && !maps[0].executable && !maps[0].shared);
    EXPECT_EQ(maps[0].inode, 11026466u);
    EXPECT_EQ(maps[0].path, "/a b/c.exe");
    EXPECT_TRUE(maps[1].executable && maps[1].shared && maps[1].path.empty());
    EXPECT_FALSE(maps[2].readable);
    EXPECT_EQ(maps[2].path, "[stack]");
}

TEST(Maps, DecodesANewlineInAPath) {
    EXPECT_EQ(parse_maps("1000-2000 r--p 00000000 fe:00 1 /a\\012b\n").at(0).path, "/a\nb");
}

TEST(Maps, LeavesOutWhatIsMalformedOrNotAscending) {
    for (const char* line : {"", "\n", "x", "2000-1000 r--p 0 0:0 0", "1000-2000", "1000-2000 r--p",
                             "1000-2000 r--p 0 00 0", "1000-2000 r--p 0 0:0", "10000000000000000-2 r--p 0 0:0 0"})
        EXPECT_TRUE(parse_maps(line).empty()) << line;
    EXPECT_EQ(parse_maps("2000-4000 r--p 0 0:0 0\n3000-5000 r--p 0 0:0 0\n").size(), 1u);
}

TEST(Maps, FindsEntriesAndGaps) {
    const auto maps = parse_maps("2000-4000 r--p 0 0:0 0\n5000-6000 ---p 0 0:0 0\n");
    EXPECT_EQ(find_entry(maps, Va{0x1fff}), nullptr);
    EXPECT_EQ(find_entry(maps, Va{0x2000}), &maps[0]);
    EXPECT_EQ(find_entry(maps, Va{0x4000}), nullptr);
    EXPECT_EQ(find_entry(maps, Va{0x5fff}), &maps[1]);
    EXPECT_TRUE(is_free(maps, {Va{0x1000}, 0x1000}));
    EXPECT_TRUE(is_free(maps, {Va{0x4000}, 0x1000}));
    EXPECT_TRUE(is_free(maps, {Va{0x6000}, 0x1000}));
    EXPECT_FALSE(is_free(maps, {Va{0x4000}, 0x1001}));
    EXPECT_FALSE(is_free(maps, {Va{0x3000}, 0x1000}));
}

} // namespace
} // namespace suture::loader
