#include "loader/cli/exit_code.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

namespace suture::cli {
namespace {

/// The last column of each line of docs/refusals.md that is about a code.
std::map<std::string, std::string, std::less<>> documented() {
    std::ifstream file(SUTURE_REFUSALS_DOC);
    EXPECT_TRUE(file.is_open()) << SUTURE_REFUSALS_DOC;
    std::map<std::string, std::string, std::less<>> exits;
    for (std::string line; std::getline(file, line);) {
        const std::size_t end = line.rfind(" |");
        const std::size_t begin = line.rfind("| ", end == std::string::npos ? end : end - 1);
        if (line.starts_with("| `") && end != std::string::npos && begin != std::string::npos)
            exits[line.substr(3, line.find('`', 3) - 3)] = line.substr(begin + 2, end - begin - 2);
    }
    return exits;
}

TEST(ExitCode, IsTheDocumentedOneForEveryReason) {
    const auto exits = documented();
    for (const CodeInfo& info : all_codes()) {
        const auto exit = exits.find(info.text);
        ASSERT_NE(exit, exits.end()) << info.text;
        if (exit->second != "–") {
            EXPECT_EQ(std::to_string(static_cast<int>(exit_of(info.code))), exit->second) << info.text;
        }
    }
}

TEST(ExitCode, OfAReasonIsNeitherSuccessNorUsage) {
    for (const CodeInfo& info : all_codes()) {
        EXPECT_NE(exit_of(info.code), Exit::done) << info.text;
        EXPECT_NE(exit_of(info.code), Exit::usage) << info.text;
    }
}

TEST(ExitCode, HasAName) {
    EXPECT_EQ(name_of(Exit::done), "done");
    EXPECT_EQ(name_of(Exit::bad_input), "bad-input");
    EXPECT_EQ(name_of(Exit::usage), "usage");
    EXPECT_EQ(name_of(Exit::nothing_to_do), "nothing-to-do");
    EXPECT_EQ(name_of(Exit::refused), "refused");
    EXPECT_EQ(name_of(Exit::not_quiescent), "not-quiescent");
    EXPECT_EQ(name_of(Exit::not_trusted), "not-trusted");
    EXPECT_EQ(name_of(Exit::target_gone), "target-gone");
    EXPECT_EQ(name_of(Exit::needs_recover), "needs-recover");
}

} // namespace
} // namespace suture::cli
