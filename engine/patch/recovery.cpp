#include "engine/patch/recovery.hpp"

#include "engine/patch/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

/// True if `other` has put its part of the same update in force.
bool is_committed(const Ledger& other, const Update& update) {
    const UpdatePart* const part = other.part();
    return part && other.phase == Phase::live && other.update.parts == update.parts && other.active == part->sequence;
}

/// `range` without what `taken`, ascending, covers of it.
void add_uncovered(std::vector<VaRange>& pages, VaRange range, std::span<const VaRange> taken) {
    Va from = range.begin;
    const auto add = [&](Va to) {
        if (to > from)
            pages.push_back({from, to - from});
    };
    for (const VaRange& one : taken) {
        if (!one.overlaps({from, range.end() - from}))
            continue;
        add(one.begin);
        from = std::max(from, std::min(one.end(), range.end()));
    }
    add(range.end());
}

/// A block whose ledger could not be read before: then its pages are no leftovers.
Result<void> check_no_block(target::Target& target, VaRange range) {
    for (std::uint64_t page = 0; page < range.size; page += kPage) {
        std::uint64_t mark = 0;
        SUTURE_CHECK(target.read(range.begin + page, {reinterpret_cast<std::uint8_t*>(&mark), sizeof(mark)}));
        if (is_block_mark(mark))
            return fail(Code::target_read_failed,
                        fmt::format("the block at 0x{:x} could not be read at once", range.begin.value + page));
    }
    return {};
}

enum class Sites : std::uint8_t {
    there,
    gone,
    hidden, ///< the module is listed and cannot be read: it comes or goes at this moment, or its pages are protected
};

Result<Sites> look_at_sites(target::Target& target, const Ledger& ledger, bool loaded) {
    for (std::size_t i = 0; i < ledger.functions.size(); ++i) {
        const auto writes = site_writes(ledger, i);
        if (!writes)
            return Sites::there; // such a ledger is refused for what it says
        for (const SiteWrite& write : *writes) {
            Bytes found(write.before.size());
            const auto read = target.read(write.at, found);
            if (!read && read.error().code() != Code::target_read_failed)
                return std::unexpected(read.error());
            if (loaded && !read)
                return Sites::hidden;
            // A program may also take a module out of the list that it has of them: then its sites are still there.
            if (loaded ? found != write.before : read && found == write.after)
                return Sites::there;
        }
    }
    return !loaded || !ledger.functions.empty() ? Sites::gone : Sites::there;
}

} // namespace

Recovery recovery_of(const Ledger& ledger, std::span<const Ledger> all) {
    switch (ledger.phase) {
    case Phase::live:
        return Recovery::none;
    case Phase::removing:
        return Recovery::take_out;
    case Phase::preparing:
        break;
    }
    if (std::ranges::any_of(all, [&](const Ledger& other) { return is_committed(other, ledger.update); }))
        return Recovery::finish;
    return ledger.update.fresh && ledger.versions.size() == 1 ? Recovery::take_out : Recovery::undo;
}

bool is_loaded(const Ledger& ledger, std::span<const target::Module> modules) {
    return std::ranges::any_of(modules, [&](const target::Module& one) {
        return one.range == ledger.module_range && target::same_file_name(one.name, ledger.module);
    });
}

Result<bool> is_stale(target::Target& target, const Ledger& ledger, std::span<const target::Module> modules) {
    if (ledger.phase != Phase::live)
        return false;
    SUTURE_TRY(Sites sites, look_at_sites(target, ledger, is_loaded(ledger, modules)));
    constexpr int kLooks = 8;
    for (int look = 1; sites == Sites::hidden && look < kLooks; ++look) {
        target.wait(std::chrono::milliseconds(1));
        SUTURE_TRY(const auto now, target.modules());
        SUTURE_TRY(sites, look_at_sites(target, ledger, is_loaded(ledger, now)));
    }
    return sites == Sites::gone;
}

std::string describe(Recovery recovery, const Ledger& ledger) {
    const std::uint32_t sequence = ledger.part() ? ledger.part()->sequence : ledger.active;
    const auto stays = [&] {
        return ledger.active == 0 ? std::string("the baseline stays in force")
                                  : fmt::format("sequence {} stays in force", ledger.active);
    };
    switch (recovery) {
    case Recovery::none:
        break;
    case Recovery::finish:
        return fmt::format("put sequence {} in force, as in the other modules of the update", sequence);
    case Recovery::undo:
        return ledger.update.fresh ? fmt::format("take sequence {} out; {}", sequence, stays()) : stays();
    case Recovery::take_out:
        if (ledger.phase == Phase::live)
            return "free its pages: the module was unloaded";
        return ledger.phase == Phase::removing ? "finish the removal, every byte as before"
                                               : fmt::format("take sequence {} out, every byte as before", sequence);
    }
    return "nothing";
}

Ledger without_update(const Ledger& ledger) {
    Ledger after = ledger;
    if (const UpdatePart* const part = ledger.part(); part && ledger.update.fresh) {
        std::erase_if(after.versions, [&](const LedgerVersion& one) { return one.sequence == part->sequence; });
        after.functions.resize(std::min<std::size_t>(after.functions.size(), ledger.update.functions));
        for (LedgerVersion& version : after.versions)
            version.cells.resize(after.functions.size());
    }
    after.phase = Phase::live;
    after.update = {false, static_cast<std::uint32_t>(after.functions.size()), {}};
    return after;
}

std::uint64_t Leftovers::bytes() const {
    std::uint64_t sum = 0;
    for (const auto* ranges : {&pages, &aside})
        for (const VaRange& range : *ranges)
            sum += range.size;
    return sum;
}

Result<Leftovers> find_leftovers(target::Target& target, std::span<const Ledger> ledgers) {
    SUTURE_TRY(target::Remains remains, target.remains());
    SUTURE_TRY(const auto modules, target.modules());
    std::vector<VaRange> taken; // modules too: sites are put in place by replacing their pages, which stay theirs
    for (const target::Module& module : modules)
        taken.push_back(module.range);
    for (const Ledger& ledger : ledgers) {
        taken.push_back(ledger.module_range);
        taken.push_back(ledger.block.whole());
        for (const LedgerVersion& version : ledger.versions)
            taken.push_back(version.image);
    }
    std::ranges::sort(taken);
    Leftovers leftovers;
    for (const VaRange& range : remains.mapped)
        add_uncovered(leftovers.pages, range, taken);
    for (const VaRange& range : leftovers.pages)
        SUTURE_CHECK(check_no_block(target, range));
    leftovers.aside = std::move(remains.aside);
    if (ledgers.empty())
        std::ranges::move(remains.workshop, std::back_inserter(leftovers.aside));
    return leftovers;
}

} // namespace suture::patch
