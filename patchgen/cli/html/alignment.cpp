#include "patchgen/cli/html/alignment.hpp"

#include <algorithm>
#include <map>

namespace suture::cli {

namespace {

using Kind = AlignedRow::Kind;
using Lines = std::span<const CodeLine>;
/// Indices of lines that belong together, both ascending.
using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

/// Longest common sequence by the greedy algorithm of Myers ("An O(ND) Difference Algorithm and Its Variations");
/// nothing where the listings differ by more than kMaxEdits.
Pairs common(Lines a, Lines b) {
    const auto n = static_cast<std::int64_t>(a.size());
    const auto m = static_cast<std::int64_t>(b.size());
    const std::int64_t most = std::min<std::int64_t>(n + m, kMaxEdits);
    std::vector<std::vector<std::int32_t>> furthest; // by edits: for each diagonal -d … d how far it goes in `a`
    const auto at = [](const std::vector<std::int32_t>& row, std::int64_t diagonal) {
        return row[static_cast<std::size_t>(diagonal + static_cast<std::int64_t>(row.size() / 2))];
    };
    const auto takes_b = [&](const std::vector<std::int32_t>& before, std::int64_t d, std::int64_t k) {
        return k == -d || (k != d && at(before, k - 1) < at(before, k + 1));
    };
    bool found = false;
    for (std::int64_t d = 0; d <= most && !found; ++d) {
        std::vector<std::int32_t> row(static_cast<std::size_t>(2 * d + 3), -1);
        for (std::int64_t k = -d; k <= d && !found; k += 2) {
            std::int64_t x = 0;
            if (d > 0)
                x = takes_b(furthest.back(), d, k) ? at(furthest.back(), k + 1) : at(furthest.back(), k - 1) + 1;
            while (x < n && x - k < m && a[static_cast<std::size_t>(x)].key == b[static_cast<std::size_t>(x - k)].key)
                ++x;
            row[static_cast<std::size_t>(k + d + 1)] = static_cast<std::int32_t>(x);
            found = x == n && x - k == m;
        }
        furthest.push_back(std::move(row));
    }
    Pairs pairs;
    if (!found)
        return pairs;
    std::int64_t x = n;
    std::int64_t y = m;
    for (auto d = static_cast<std::int64_t>(furthest.size()) - 1; d >= 0; --d) {
        const std::int64_t k = x - y;
        std::int64_t from_x = 0;
        std::int64_t from_y = 0;
        if (d > 0) {
            const auto& before = furthest[static_cast<std::size_t>(d - 1)];
            const std::int64_t from_k = takes_b(before, d, k) ? k + 1 : k - 1;
            from_x = at(before, from_k);
            from_y = from_x - from_k;
        }
        while (x > from_x && y > from_y && x > 0 && y > 0 &&
               a[static_cast<std::size_t>(x - 1)].key == b[static_cast<std::size_t>(y - 1)].key) {
            --x;
            --y;
            pairs.emplace_back(static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y));
        }
        x = from_x;
        y = from_y;
    }
    std::reverse(pairs.begin(), pairs.end());
    return pairs;
}

Pairs paired(Lines a, Lines b) {
    const std::size_t shorter = std::min(a.size(), b.size());
    std::size_t front = 0;
    while (front < shorter && a[front].key == b[front].key)
        ++front;
    std::size_t back = 0;
    while (back < shorter - front && a[a.size() - 1 - back].key == b[b.size() - 1 - back].key)
        ++back;
    Pairs pairs;
    for (std::uint32_t i = 0; i < front; ++i)
        pairs.emplace_back(i, i);
    for (const auto& [x, y] :
         common(a.subspan(front, a.size() - front - back), b.subspan(front, b.size() - front - back)))
        pairs.emplace_back(x + front, y + front);
    for (std::size_t i = back; i > 0; --i)
        pairs.emplace_back(a.size() - i, b.size() - i);
    return pairs;
}

} // namespace

std::vector<AlignedRow> align(const std::vector<CodeLine>& baseline, const std::vector<CodeLine>& updated) {
    Pairs pairs = paired(baseline, updated);
    std::vector<AlignedRow> rows;
    std::map<std::uint32_t, std::uint32_t> row_of_baseline; // offsets of lines to rows
    std::map<std::uint32_t, std::uint32_t> row_of_updated;
    std::uint32_t x = 0;
    std::uint32_t y = 0;
    const auto add = [&](Kind kind, bool old_one, bool new_one) {
        const auto row = static_cast<std::uint32_t>(rows.size());
        if (old_one)
            row_of_baseline.emplace(baseline[x].offset, row);
        if (new_one)
            row_of_updated.emplace(updated[y].offset, row);
        rows.push_back(
            {kind, old_one ? std::optional(x++) : std::nullopt, new_one ? std::optional(y++) : std::nullopt});
    };
    pairs.emplace_back(baseline.size(), updated.size());
    for (const auto& [old_end, new_end] : pairs) {
        while (x < old_end && y < new_end)
            add(Kind::changed, true, true);
        while (x < old_end)
            add(Kind::removed, true, false);
        while (y < new_end)
            add(Kind::added, false, true);
        if (x < baseline.size() && y < updated.size())
            add(Kind::equal, true, true);
    }
    // Branches inside the function have the same key wherever they lead.
    const auto row_at = [](const auto& map, std::uint32_t offset) {
        const auto found = map.find(offset);
        return found == map.end() ? std::nullopt : std::optional(found->second);
    };
    for (AlignedRow& row : rows) {
        if (row.kind != Kind::equal)
            continue;
        const auto& old_inner = baseline[*row.baseline].inner;
        const auto& new_inner = updated[*row.updated].inner;
        if (!old_inner || !new_inner)
            continue;
        const auto to = row_at(row_of_baseline, *old_inner);
        if (to != row_at(row_of_updated, *new_inner) || (!to && *old_inner != *new_inner))
            row.kind = Kind::changed;
    }
    return rows;
}

} // namespace suture::cli
