#include "engine/patch/site_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace suture::patch {

namespace {

Va page_of(Va at) {
    return Va{at.value & ~std::uint64_t{kPage - 1}};
}

VaRange pages_of(const SiteWrite& write) {
    const Va begin = page_of(write.at);
    return {begin, pages_up(write.at + write.after.size() - begin)};
}

bool in_one_page(std::span<const SiteWrite> writes) {
    const VaRange first = pages_of(writes.front());
    return first.size == kPage &&
           std::ranges::all_of(writes, [&](const SiteWrite& write) { return pages_of(write) == first; });
}

using Round = std::vector<const SiteWrite*>;

/// First the writes that must be seen before others, then all the rest. What lies in one page is seen at once, and
/// needs no order.
std::vector<Round> rounds_of(std::span<const SiteWrite> writes) {
    std::vector<Round> rounds;
    for (std::size_t first = 0, next = 0; first < writes.size(); first = next) {
        while (next < writes.size() && writes[next].function == writes[first].function)
            ++next;
        const auto function = writes.subspan(first, next - first);
        const std::size_t count = in_one_page(function) ? 1 : function.size();
        rounds.resize(std::max(rounds.size(), count));
        // The last ones together, so that a page is replaced as seldom as possible.
        for (std::size_t i = 0; i < function.size(); ++i)
            rounds[rounds.size() - 1 - (count == 1 ? 0 : count - 1 - i)].push_back(&function[i]);
    }
    return rounds;
}

/// Adjacent pages and what is to be written to them.
struct Run {
    VaRange range;
    Round writes;
};

std::vector<Run> runs_of(Round round) {
    std::ranges::sort(round, {}, [](const SiteWrite* write) { return write->at; });
    std::vector<Run> runs;
    for (const SiteWrite* write : round) {
        const VaRange pages = pages_of(*write);
        if (runs.empty() || pages.begin > runs.back().range.end())
            runs.push_back({pages, {}});
        VaRange& range = runs.back().range;
        range.size = std::max(range.end(), pages.end()) - range.begin;
        runs.back().writes.push_back(write);
    }
    return runs;
}

Result<void> put(target::Target& target, const Round& round) {
    const auto runs = runs_of(round);
    std::vector<Bytes> found;
    std::vector<target::Mapping> mappings;
    for (const Run& run : runs) {
        SUTURE_TRY(Bytes content, target::read_bytes(target, run.range.begin, run.range.size));
        found.push_back(content);
        for (const SiteWrite* write : run.writes) {
            const auto at = content.begin() + static_cast<std::ptrdiff_t>(write->at - run.range.begin);
            if (!std::equal(write->before.begin(), write->before.end(), at))
                return fail(Code::identity_function_differs,
                            fmt::format("0x{:x} changed during the operation", write->at.value));
            std::ranges::copy(write->after, at);
        }
        mappings.push_back(
            {run.range, std::move(content), target::Protection::read_execute, target::Backing::copy_on_write});
    }
    SUTURE_TRY(const auto staged, target.stage(mappings));
    for (std::size_t i = 0; i < runs.size(); ++i) {
        SUTURE_TRY(const Bytes now, target::read_bytes(target, runs[i].range.begin, runs[i].range.size));
        if (now != found[i])
            return fail(Code::identity_function_differs,
                        fmt::format("the code at 0x{:x} changed during the operation", runs[i].range.begin.value));
    }
    return target.replace(*staged);
}

} // namespace

bool in_plain_code(std::span<const target::Region> regions, VaRange range) {
    for (Va at = range.begin; at < range.end();) {
        const auto region =
            std::ranges::upper_bound(regions, at, {}, [](const target::Region& one) { return one.range.begin; });
        if (region == regions.begin())
            return false;
        const target::Region& holds = *std::prev(region);
        if (!holds.range.contains(at) || !holds.readable || !holds.executable || holds.writable)
            return false;
        at = holds.range.end();
    }
    return true;
}

Result<void> write_by_pages(target::Target& target, std::span<const SiteWrite> writes) {
    for (const Round& round : rounds_of(writes))
        SUTURE_CHECK(put(target, round));
    return {};
}

Result<void> write_stopped(target::Target& target, target::Stop& stop, std::span<const SiteWrite> writes) {
    std::optional<std::vector<target::Region>> regions;
    for (const SiteWrite& write : writes) {
        const VaRange range{write.at, write.after.size()};
        const bool crosses = pages_of(write).size > kPage;
        if (crosses && !regions) {
            SUTURE_TRY(regions, target.regions());
        }
        if (crosses && in_plain_code(*regions, range))
            SUTURE_CHECK(write_by_pages(target, {&write, 1}));
        else
            SUTURE_CHECK(stop.write_code(write.at, write.after));
    }
    return {};
}

Result<std::vector<SiteWrite>> writes_to_undo(target::Target& target, std::span<const SiteWrite> writes) {
    std::vector<SiteWrite> undo;
    for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
        SUTURE_TRY(const Bytes found, target::read_bytes(target, write->at, write->after.size()));
        if (found == write->after)
            undo.push_back({write->at, write->after, write->before, write->function});
        else if (found != write->before)
            return fail(Code::verification_failed,
                        fmt::format("the site at 0x{:x} holds {:02x}", write->at.value, fmt::join(found, " ")));
    }
    return undo;
}

} // namespace suture::patch
