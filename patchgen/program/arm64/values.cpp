#include "patchgen/program/arm64/values.hpp"

#include <algorithm>
#include <bit>

namespace suture::program::arm64 {

namespace {

/// Most sets of several ADRPs in one function, and most ADRPs of one set. Compilers' code has some dozen and some ten.
constexpr std::size_t kMaxJoinedSets = 1024;
constexpr std::size_t kMaxJoined = 256;

} // namespace

using Kind = Value::Kind;

void PageSets::clear() {
    sets_.clear();
    single_.clear();
    pairs_.clear();
    joined_.clear();
}

std::uint32_t PageSets::of(std::uint32_t word, Rva page) {
    const auto [known, fresh] = single_.try_emplace(word, static_cast<std::uint32_t>(sets_.size()));
    if (fresh)
        sets_.push_back({page, {word}});
    return known->second;
}

std::optional<std::uint32_t> PageSets::joined(std::uint32_t a, std::uint32_t b) {
    const std::uint64_t pair = std::uint64_t{std::min(a, b)} << 32 | std::max(a, b);
    if (const auto known = pairs_.find(pair); known != pairs_.end())
        return known->second;
    PageSet joined{sets_[a].page, {}};
    std::ranges::set_union(sets_[a].words, sets_[b].words, std::back_inserter(joined.words));
    auto same = std::ranges::find_if(joined_, [&](std::uint32_t set) { return sets_[set].words == joined.words; });
    if (same == joined_.end()) {
        if (joined_.size() >= kMaxJoinedSets || joined.words.size() > kMaxJoined)
            return std::nullopt;
        joined_.push_back(static_cast<std::uint32_t>(sets_.size()));
        same = std::prev(joined_.end());
        sets_.push_back(std::move(joined));
    }
    const std::uint32_t number = *same;
    pairs_.emplace(pair, number);
    return number;
}

Value merge(const Value& a, const Value& b, PageSets& sets) {
    if (a == b)
        return a;
    if (a.kind == Kind::page && b.kind == Kind::page && sets[a.what].page == sets[b.what].page) {
        const auto joined = sets.joined(a.what, b.what);
        return joined ? Value{.kind = Kind::page, .what = *joined} : Value{.kind = Kind::mixed};
    }
    const auto either = [&](Kind kind) { return a.kind == kind || b.kind == kind; };
    if (either(Kind::page) || either(Kind::mixed))
        return {.kind = Kind::mixed};
    if (either(Kind::perhaps_page))
        return {.kind = Kind::perhaps_page};
    if (a.kind == Kind::pointer && b.kind == Kind::pointer)
        return {.kind = Kind::pointer};
    if (either(Kind::entry) || either(Kind::destination) || either(Kind::computed) ||
        (a.kind == Kind::address && b.kind == Kind::address))
        return {.kind = Kind::computed};
    return {};
}

bool merge_into(State& to, const State& from, PageSets& sets) {
    bool changed = false;
    for (std::uint32_t left = to.known | from.known; left != 0; left &= left - 1) {
        const auto reg = static_cast<std::uint8_t>(std::countr_zero(left));
        if (to[reg] == from[reg])
            continue;
        const Value merged = merge(to[reg], from[reg], sets);
        if (merged == to[reg])
            continue;
        to.set(reg, merged);
        changed = true;
    }
    return changed;
}

} // namespace suture::program::arm64
