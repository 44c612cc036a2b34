#include "engine/patch/placement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace suture::patch {

namespace {

// The first 64 KiB are never mapped, and user space ends at 2^47 on both machines.
constexpr std::uint64_t kLowest = kGranularity;
constexpr std::uint64_t kHighest = (std::uint64_t{1} << 47) - kGranularity;

constexpr std::uint64_t align_up(std::uint64_t value) {
    return (value + kGranularity - 1) & ~(kGranularity - 1);
}
constexpr std::uint64_t align_down(std::uint64_t value) {
    return value & ~(kGranularity - 1);
}

} // namespace

Result<Va> find_gap(std::span<const target::Region> regions, std::span<const VaRange> taken,
                    const target::Module& module, std::uint64_t size, std::uint64_t reach, Side side) {
    const std::uint64_t module_begin = module.range.begin.value;
    const std::uint64_t module_end = module.range.end().value;
    const auto no_room = [&] {
        return fail(
            Error(Code::no_room_near_module, fmt::format("no free gap of {} bytes within {} bytes {} 0x{:x}", size,
                                                         reach, side == Side::behind ? "behind" : "of", module_begin))
                .in_image(module.name));
    };
    if (size == 0 || size > reach || module.range.size > reach || module_end > kHighest)
        return no_room();
    const std::uint64_t lowest =
        side == Side::behind ? module_end : std::max(kLowest, module_end > reach ? module_end - reach : 0);
    const std::uint64_t highest = std::min(kHighest, module_begin + reach);

    std::vector<VaRange> used(taken.begin(), taken.end());
    for (const target::Region& region : regions)
        used.push_back(region.range);
    std::ranges::sort(used);

    std::uint64_t best = 0;
    std::uint64_t free_from = lowest;
    const auto consider = [&](std::uint64_t gap_begin, std::uint64_t gap_end) {
        gap_begin = align_up(std::max(gap_begin, lowest));
        gap_end = std::min(gap_end, highest);
        if (gap_begin >= gap_end || gap_end - gap_begin < size)
            return false;
        if (gap_end > module_end) { // the first fit behind the module is the nearest
            best = gap_begin;
            return true;
        }
        best = align_down(gap_end - size); // gaps ascend: the last fit before the module is the nearest
        return false;
    };
    for (const VaRange& range : used) {
        if (range.begin.value > free_from && consider(free_from, range.begin.value))
            return Va{best};
        free_from = std::max(free_from, range.end().value);
    }
    consider(free_from, highest);
    if (best == 0)
        return no_room();
    return Va{best};
}

} // namespace suture::patch
