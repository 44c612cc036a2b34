#include "engine/core/error.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace suture {
namespace {

/// A line of a table of docs/refusals.md: `| `code` | what was found | what to do | … |`.
struct Row {
    std::size_t line = 0;
    std::string text;
    std::string what;
    std::string todo;
};

std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(' ');
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// Cells of a Markdown table's line; a bar within a cell is written `\|`.
std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells(1);
    for (std::size_t i = 1; i < line.size(); ++i) {
        if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|')
            cells.back() += line[++i];
        else if (line[i] == '|')
            cells.emplace_back();
        else
            cells.back() += line[i];
    }
    for (std::string& cell : cells)
        cell = trimmed(cell);
    return cells;
}

std::vector<Row> documented() {
    std::ifstream file(SUTURE_REFUSALS_DOC);
    EXPECT_TRUE(file.is_open()) << SUTURE_REFUSALS_DOC;
    std::vector<Row> rows;
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
        if (!line.starts_with("| `"))
            continue;
        const auto cells = cells_of(line);
        if (cells.size() < 3 || cells[0].size() < 2 || cells[0].back() != '`')
            ADD_FAILURE() << "line " << number << " is no line of a table of codes: " << line;
        else
            rows.push_back({number, cells[0].substr(1, cells[0].size() - 2), cells[1], cells[2]});
    }
    return rows;
}

TEST(RefusalsDocTest, SaysOfEveryCodeWhatTheTableSaysInItsOrder) {
    const auto rows = documented();
    std::set<std::string_view> in_table;
    std::set<std::string_view> in_document;
    for (const CodeInfo& info : all_codes())
        in_table.insert(info.text);
    for (const Row& row : rows) {
        EXPECT_TRUE(in_table.contains(row.text)) << "line " << row.line << ": no code is called " << row.text;
        EXPECT_TRUE(in_document.insert(row.text).second) << "line " << row.line << ": a second time " << row.text;
    }
    for (const CodeInfo& info : all_codes())
        EXPECT_TRUE(in_document.contains(info.text)) << info.text << " is not documented";
    ASSERT_EQ(rows.size(), all_codes().size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const CodeInfo& info = all_codes()[i];
        EXPECT_EQ(rows[i].text, info.text) << "line " << rows[i].line << " is out of order";
        if (rows[i].text != info.text)
            continue;
        EXPECT_EQ(rows[i].what, info.what) << "line " << rows[i].line;
        EXPECT_EQ(rows[i].todo, info.todo) << "line " << rows[i].line;
    }
}

} // namespace
} // namespace suture
