#include "patchgen/cli/html/alignment.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace suture::cli {
namespace {

/// One line of 4 bytes for each letter; an upper-case one branches to the line that its place in the alphabet tells.
std::vector<CodeLine> listing(std::string_view letters) {
    std::vector<CodeLine> lines;
    for (const char letter : letters) {
        CodeLine line;
        line.offset = static_cast<std::uint32_t>(4 * lines.size());
        line.key = letter >= 'a' ? std::string(1, letter) : "branch";
        if (letter < 'a')
            line.inner = static_cast<std::uint32_t>(4 * (letter - 'A'));
        lines.push_back(std::move(line));
    }
    return lines;
}

/// "=" equal, "~" changed, "-" removed, "+" added
std::string kinds(std::string_view before, std::string_view after) {
    const auto old_lines = listing(before);
    const auto new_lines = listing(after);
    std::string result;
    std::uint32_t x = 0;
    std::uint32_t y = 0;
    for (const AlignedRow& row : align(old_lines, new_lines)) {
        result += "=~-+"[static_cast<std::size_t>(row.kind)];
        if (row.baseline) {
            EXPECT_EQ(*row.baseline, x++);
        }
        if (row.updated) {
            EXPECT_EQ(*row.updated, y++);
        }
    }
    EXPECT_EQ(x, before.size());
    EXPECT_EQ(y, after.size());
    return result;
}

TEST(Align, PairsEqualLines) {
    EXPECT_EQ(kinds("", ""), "");
    EXPECT_EQ(kinds("abc", "abc"), "===");
}

TEST(Align, MarksWhatDiffers) {
    EXPECT_EQ(kinds("abc", "axc"), "=~=");
    EXPECT_EQ(kinds("abc", "ac"), "=-=");
    EXPECT_EQ(kinds("ac", "abc"), "=+=");
    EXPECT_EQ(kinds("", "ab"), "++");
    EXPECT_EQ(kinds("ab", ""), "--");
    EXPECT_EQ(kinds("ab", "xyz"), "~~+");
    EXPECT_EQ(kinds("abcdef", "xabdefy"), "+==-===+");
}

TEST(Align, FindsALongestCommonSequence) {
    const std::string rows = kinds("abcabba", "cbabac");
    EXPECT_EQ(std::ranges::count(rows, '='), 4);
}

TEST(Align, ComparesBranchesByTheRowTheyLeadTo) {
    EXPECT_EQ(kinds("Cab", "Dxab"), "=+=="); // both lead to "b"
    EXPECT_EQ(kinds("Cab", "Cxab"), "~+==");
    EXPECT_EQ(kinds("Bab", "Cab"), "~==");
}

TEST(Align, ShowsOneBlockWhereTooMuchDiffers) {
    const std::string before(kMaxEdits, 'a');
    const std::string after(kMaxEdits, 'b');
    EXPECT_EQ(kinds("s" + before + "e", "s" + after + "e"), "=" + std::string(kMaxEdits, '~') + "=");
}

} // namespace
} // namespace suture::cli
