#include "engine/isa/x64/sites.hpp"

#include "engine/isa/x64/branches.hpp"
#include "engine/isa/x64/continuation.hpp"
#include "engine/isa/x64/decode.hpp"
#include "engine/isa/x64/fill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace suture::isa::x64 {

namespace {

/// The distance of the short jump at `entry` to `pad`, or nothing if it does not reach.
std::optional<std::int64_t> short_distance(Rva entry, std::int64_t pad) {
    const std::int64_t distance = pad - (std::int64_t{entry.value} + kShortJumpSize);
    return distance >= INT8_MIN && distance <= INT8_MAX ? std::optional(distance) : std::nullopt;
}

std::unexpected<Error> none(std::string detail) {
    return fail(Code::site_none, std::move(detail));
}

std::unexpected<Error> unproved(std::string detail) {
    return fail(Code::site_unproved, std::move(detail));
}

/// Whether the first `displaced` bytes can be taken from the function.
Result<void> check_displaced(const SiteQuestion& question, ByteView displaced) {
    for (const std::uint32_t target : question.inner_targets)
        if (target > 0 && target < displaced.size())
            return none(fmt::format("something refers to entry+{:#x}", target));
    return check_movable(displaced);
}

/// The 5 bytes in the caves that are nearest to the entry.
std::optional<Rva> nearest_cave(const SiteQuestion& question, std::uint32_t displaced) {
    const std::int64_t entry = question.entry.value;
    const std::int64_t lowest = entry + kShortJumpSize + INT8_MIN;
    const std::int64_t highest = entry + kShortJumpSize + INT8_MAX;
    const std::int64_t function_end = entry + std::max(displaced, question.size);
    std::optional<std::int64_t> best;
    const auto end_of = [](const SiteQuestion::Pad& cave) {
        return std::int64_t{cave.at.value} + static_cast<std::int64_t>(cave.bytes.size());
    };
    auto cave = std::partition_point(question.caves.begin(), question.caves.end(),
                                     [&](const SiteQuestion::Pad& pad) { return end_of(pad) <= lowest; });
    for (; cave != question.caves.end() && std::int64_t{cave->at.value} <= highest; ++cave) {
        if (cave->bytes.size() < kNearJumpSize || !is_fill(cave->bytes))
            continue;
        const std::int64_t begin = cave->at.value;
        const std::int64_t last = std::min(end_of(*cave) - kNearJumpSize, highest);
        for (std::int64_t pad = std::max(begin, lowest); pad <= last; ++pad) {
            if (pad + kNearJumpSize > entry && pad < function_end)
                continue;
            // Where the window cuts a long NOP in two, its bytes could not be proved again on their own.
            const auto window_end = static_cast<std::uint64_t>(pad + kNearJumpSize - begin);
            if (cave->bytes[0] != 0xcc && !is_nops(*cave->bytes.slice(0, window_end)))
                continue;
            if (!best || std::abs(pad - entry) < std::abs(*best - entry)) // caves ascend: of two the lower wins
                best = pad;
        }
    }
    if (!best)
        return std::nullopt;
    return Rva{static_cast<std::uint32_t>(*best)};
}

Result<Site> choose_with_pad(const SiteQuestion& question, ByteView code) {
    const auto first = decode(code);
    if (!first)
        return none("no whole instruction at the entry");
    if (first->length < kShortJumpSize)
        return none("the first instruction is one byte long");
    SUTURE_CHECK(check_displaced(question, *code.slice(0, first->length)));

    Site site{SiteKind::x64_padded, question.entry, kShortJumpSize, {}, first->length};
    if (question.pad_before.size() >= kNearJumpSize && question.entry.value >= kNearJumpSize &&
        is_fill(question.pad_before)) {
        site.pad = question.entry - kNearJumpSize;
        return site;
    }
    const auto cave = nearest_cave(question, first->length);
    if (!cave)
        return none("no 5 bytes of fill before the entry or within reach of a short jump");
    site.pad = *cave;
    if (site.pad + kNearJumpSize != site.entry)
        site.kind = SiteKind::x64_cave;
    return site;
}

Result<Site> choose_prologue(const SiteQuestion& question, ByteView code, std::uint32_t size) {
    std::uint32_t displaced = 0;
    while (displaced < size) {
        const auto instruction = decode(*code.from(displaced));
        if (!instruction)
            return none(fmt::format("no whole instruction at entry+{:#x}", displaced));
        displaced += instruction->length;
    }
    SUTURE_CHECK(check_displaced(question, *code.slice(0, displaced)));
    return Site{SiteKind::x64_prologue, question.entry, size, {}, displaced};
}

Result<Site> choose_widest_prologue(const SiteQuestion& question, ByteView code) {
    auto wide = choose_prologue(question, code, Isa::kWideBranchSize);
    return wide ? std::move(wide) : choose_prologue(question, code, kNearJumpSize);
}

Result<Site> choose_tail(const SiteQuestion& question, ByteView code) {
    if (code.size() + question.pad_after.size() < kNearJumpSize ||
        !starts_with_fill(question.pad_after, kNearJumpSize - code.size()))
        return none(fmt::format("{} bytes and no fill behind them", code.size()));
    SUTURE_CHECK(check_displaced(question, code));
    if (!ends_flow(code))
        return none("the function does not end in a return or a jump");
    return Site{SiteKind::x64_tail, question.entry, kNearJumpSize, {}, static_cast<std::uint32_t>(code.size())};
}

Result<void> prove_first_instruction(const Site& site, ByteView entry_bytes) {
    const auto first = decode(entry_bytes);
    if (!first || first->length != site.displaced || first->length < kShortJumpSize)
        return unproved(fmt::format("the first instruction is not {} bytes long", site.displaced));
    return {};
}

Result<void> prove_pad(const Site& site, ByteView pad_bytes) {
    if (site.pad_size != Isa::kBranchSize && site.pad_size != Isa::kWideBranchSize)
        return unproved(fmt::format("a pad of {} bytes", site.pad_size));
    const bool adjoins = site.pad + site.pad_size == site.entry;
    if (adjoins != (site.kind == SiteKind::x64_padded))
        return unproved(fmt::format("the pad at {:#x} is not where the kind has it", site.pad.value));
    if (!short_distance(site.entry, site.pad.value))
        return unproved(fmt::format("the pad at {:#x} is beyond a short jump", site.pad.value));
    if (site.pad_range().overlaps({site.entry, site.displaced}))
        return unproved("the pad overlaps the function's entry");
    if (!ends_with_fill(pad_bytes, site.pad_size))
        return unproved(fmt::format("the pad at {:#x} holds something else than fill", site.pad.value));
    return {};
}

Result<void> prove_prologue(const Site& site, ByteView displaced) {
    std::uint32_t end = 0;
    while (end < site.entry_size) {
        const auto instruction = decode(*displaced.from(end));
        if (!instruction)
            return unproved(fmt::format("no whole instruction at entry+{:#x}", end));
        end += instruction->length;
    }
    if (end != site.displaced)
        return unproved(fmt::format("the first instructions are {} bytes long, not {}", end, site.displaced));
    return {};
}

Result<void> prove_tail(const Site& site, ByteView entry_bytes, ByteView displaced) {
    if (site.displaced >= site.entry_size)
        return unproved(fmt::format("{} bytes need no tail", site.displaced));
    if (!ends_flow(displaced))
        return unproved("the function does not end in a return or a jump");
    if (!starts_with_fill(*entry_bytes.from(site.displaced), site.entry_size - site.displaced))
        return unproved("something else than fill follows the function");
    return {};
}

} // namespace

Result<Site> choose_site(const SiteQuestion& question) {
    const ByteView code = *question.code.slice(0, std::min<std::size_t>(question.code.size(), question.size));
    if (code.empty())
        return none("no code");
    if (const auto first = decode(code); first && first->length >= kNearJumpSize)
        return choose_prologue(question, code, std::min<std::uint32_t>(first->length, Isa::kWideBranchSize));
    auto site = choose_with_pad(question, code);
    if (site)
        return site;
    const std::string before = site.error().detail();
    const bool is_short = question.size < kNearJumpSize;
    site = is_short ? choose_tail(question, code) : choose_widest_prologue(question, code);
    if (site)
        return site;
    const std::string& after = site.error().detail();
    return none(before == after
                    ? before
                    : fmt::format("short branch: {}; {}: {}", before, is_short ? "tail" : "prologue", after));
}

Result<void> prove_site(const Site& site, ByteView entry_bytes, ByteView pad_bytes) {
    const bool fits = site.uses_pad() ? site.entry_size == kShortJumpSize
                                      : site.entry_size == kNearJumpSize || site.entry_size == Isa::kWideBranchSize;
    if (site.kind == SiteKind::arm64_branch || !fits)
        return unproved(fmt::format("{} with {} bytes at the entry", name_of(site.kind), site.entry_size));
    const auto displaced = entry_bytes.slice(0, site.displaced);
    if (!displaced || displaced->empty() || entry_bytes.size() < site.entry_size)
        return unproved(fmt::format("{} bytes at the entry, {} displaced", entry_bytes.size(), site.displaced));
    if (site.uses_pad()) {
        SUTURE_CHECK(prove_first_instruction(site, entry_bytes));
        SUTURE_CHECK(prove_pad(site, pad_bytes));
    } else if (site.pad != Rva{}) {
        return unproved(fmt::format("{} has no pad", name_of(site.kind)));
    } else if (site.kind == SiteKind::x64_prologue) {
        SUTURE_CHECK(prove_prologue(site, *displaced));
    } else {
        SUTURE_CHECK(prove_tail(site, entry_bytes, *displaced));
    }
    return check_movable(*displaced);
}

Result<std::vector<CodeWrite>> encode_site(const Site& site, Va module_base, Va stub, Va cell) {
    std::vector<CodeWrite> writes;
    const Rva branch_at = site.uses_pad() ? site.pad : site.entry;
    const Va at = module_base + branch_at.value;
    SUTURE_TRY(Bytes branch, site.branch_size() == Isa::kWideBranchSize ? jump_through(at, cell) : near_jump(at, stub));
    writes.push_back({branch_at, std::move(branch)});
    if (!site.uses_pad())
        return writes;
    const auto distance = short_distance(site.entry, site.pad.value);
    if (!distance)
        return fail(Code::branch_out_of_reach,
                    fmt::format("a short jump from {:#x} to {:#x}", site.entry.value, site.pad.value));
    writes.push_back({site.entry, {0xeb, static_cast<std::uint8_t>(*distance)}});
    return writes;
}

} // namespace suture::isa::x64
