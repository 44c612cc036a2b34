#include "engine/patch/release.hpp"

#include "engine/patch/plan.hpp"

#include <algorithm>

namespace suture::patch {

namespace {

enum class Found : std::uint8_t { nothing, expected, different, foreign };

/// What lies at `range`: nothing, pages of this protection with or without this content, or something else.
class Look {
  public:
    static Result<Look> at(target::Target& target) {
        SUTURE_TRY(auto regions, target.regions());
        return Look(target, std::move(regions));
    }

    Result<Found> operator()(VaRange range, target::Protection protection, const Digest& digest) const {
        const bool writable = protection == target::Protection::read_write;
        const bool executable = protection == target::Protection::read_execute;
        std::uint64_t covered = 0;
        bool any = false;
        for (const target::Region& region : regions_) {
            if (!region.range.overlaps(range))
                continue;
            any = true;
            if (region.readable && region.writable == writable && region.executable == executable)
                covered += std::min(region.range.end(), range.end()) - std::max(region.range.begin, range.begin);
        }
        if (covered != range.size)
            return any ? Found::foreign : Found::nothing;
        SUTURE_TRY(const Bytes bytes, target::read_bytes(target_, range.begin, range.size));
        return digest_of(bytes) == digest ? Found::expected : Found::different;
    }

  private:
    Look(target::Target& target, std::vector<target::Region> regions) : target_(target), regions_(std::move(regions)) {}

    target::Target& target_;
    std::vector<target::Region> regions_;
};

/// In one operation for what adjoins.
Result<void> unmap_joined(target::Target& target, std::vector<VaRange> ranges) {
    std::ranges::sort(ranges);
    std::vector<VaRange> joined;
    for (const VaRange& range : ranges) {
        if (!joined.empty() && joined.back().end() == range.begin)
            joined.back().size += range.size;
        else
            joined.push_back(range);
    }
    if (joined.empty())
        return {};
    auto unmapped = target.unmap(joined);
    if (unmapped)
        return {};
    // It may have been done although it is said that it failed.
    SUTURE_TRY(const auto regions, target.regions());
    for (const target::Region& region : regions)
        if (std::ranges::any_of(joined, [&](VaRange one) { return one.overlaps(region.range); }))
            return unmapped;
    return {};
}

} // namespace

Result<void> release_version(target::Target& target, const LedgerVersion& version, std::vector<VaRange>& left,
                             bool known) {
    SUTURE_TRY(const Look look, Look::at(target));
    std::vector<VaRange> own;
    std::vector<VaRange> data;
    const Va unwind = version.unwind_table().at;
    bool whole = true; // all pages but those of data are as they were mapped
    for (const LedgerPages& pages : version.pages) {
        SUTURE_TRY(const Found found, look(pages.range, pages.protection, pages.digest));
        // Where nothing lies, it was forgotten before that was freed.
        if (known && version.unwind_count != 0 && found != Found::nothing && pages.range.contains(unwind))
            SUTURE_CHECK(target.unregister_unwind(unwind));
        const bool is_data = pages.protection == target::Protection::read_write;
        if (found == Found::expected)
            own.push_back(pages.range);
        else if (found == Found::different && is_data)
            data.push_back(pages.range);
        else
            whole = false;
        if (found == Found::foreign || (found == Found::different && !is_data))
            left.push_back(pages.range);
    }
    // Data holds what the program put there. It goes in one operation with the pages around it, and so is still there
    // only if all of those are.
    std::ranges::copy(data, std::back_inserter(whole ? own : left));
    return unmap_joined(target, std::move(own));
}

Result<void> release_all(target::Target& target, const Ledger& ledger, std::vector<VaRange>& left, bool known) {
    for (const LedgerVersion& version : ledger.versions)
        SUTURE_CHECK(release_version(target, version, left, known));
    SUTURE_TRY(const Look look, Look::at(target));
    SUTURE_TRY(const Bytes stubs, stub_bytes(ledger));
    SUTURE_TRY(const Bytes continuations, continuation_bytes(ledger));
    SUTURE_TRY(const Bytes committed, committed_bytes(ledger));
    std::vector<VaRange> own;
    const auto add = [&](VaRange range, target::Protection protection, const Bytes& content) -> Result<void> {
        SUTURE_TRY(const Found found, look(range, protection, digest_of(content)));
        if (found == Found::expected)
            own.push_back(range);
        else if (found != Found::nothing)
            left.push_back(range);
        return {};
    };
    SUTURE_CHECK(add(ledger.block.stubs(), target::Protection::read_execute, stubs));
    SUTURE_CHECK(add(ledger.block.continuations(), target::Protection::read_execute, continuations));
    if (own.size() < 2) // else they go with it at once
        SUTURE_CHECK(unmap_joined(target, std::exchange(own, {})));
    SUTURE_CHECK(add(ledger.block.committed(), target::Protection::read, committed));
    return unmap_joined(target, std::move(own));
}

} // namespace suture::patch
