#include "loader/linux/maps.hpp"

#include "loader/linux/procfs.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace suture::loader {

namespace {

/// Takes a number off the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc())
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c)
        return false;
    text.remove_prefix(1);
    return true;
}

/// The kernel writes a newline in a path as \012.
std::string unescaped(std::string_view path) {
    constexpr std::string_view kNewline = "\\012";
    std::string text(path);
    for (auto at = text.find(kNewline); at != std::string::npos; at = text.find(kNewline, at + 1))
        text.replace(at, kNewline.size(), 1, '\n');
    return text;
}

/// "begin-end perms offset major:minor inode   path"
std::optional<MapEntry> parse_line(std::string_view line) {
    MapEntry entry;
    const auto begin = take_number(line, 16);
    if (!begin || !take(line, '-'))
        return std::nullopt;
    const auto end = take_number(line, 16);
    if (!end || *end <= *begin || !take(line, ' ') || line.size() < 5)
        return std::nullopt;
    entry.range = {Va{*begin}, *end - *begin};
    entry.readable = line[0] == 'r';
    entry.writable = line[1] == 'w';
    entry.executable = line[2] == 'x';
    entry.shared = line[3] == 's';
    line.remove_prefix(4);
    if (!take(line, ' ') || !take_number(line, 16) || !take(line, ' ') || !take_number(line, 16) || !take(line, ':') ||
        !take_number(line, 16) || !take(line, ' '))
        return std::nullopt;
    const auto inode = take_number(line, 10);
    if (!inode)
        return std::nullopt;
    entry.inode = *inode;
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    entry.path = unescaped(line);
    return entry;
}

} // namespace

std::vector<MapEntry> parse_maps(std::string_view text) {
    std::vector<MapEntry> maps;
    while (!text.empty()) {
        const std::size_t length = std::min(text.find('\n'), text.size());
        auto entry = parse_line(text.substr(0, length));
        // A file that is read in several pieces while the process maps and unmaps may show a range twice.
        if (entry && (maps.empty() || entry->range.begin >= maps.back().range.end()))
            maps.push_back(std::move(*entry));
        text.remove_prefix(std::min(length + 1, text.size()));
    }
    return maps;
}

Result<std::vector<MapEntry>> read_maps(std::uint64_t pid) {
    SUTURE_TRY(const std::string text, read_proc(pid, "maps"));
    return parse_maps(text);
}

const MapEntry* find_entry(const std::vector<MapEntry>& maps, Va at) {
    const auto after = std::ranges::upper_bound(maps, at, {}, [](const MapEntry& entry) { return entry.range.begin; });
    if (after == maps.begin() || !std::prev(after)->range.contains(at))
        return nullptr;
    return &*std::prev(after);
}

bool is_free(const std::vector<MapEntry>& maps, VaRange range) {
    const auto next =
        std::ranges::upper_bound(maps, range.begin, {}, [](const MapEntry& entry) { return entry.range.end(); });
    return next == maps.end() || next->range.begin >= range.end();
}

} // namespace suture::loader
