#include "patchgen/diff/sites.hpp"

#include "patchgen/match/fingerprint.hpp"

#include <algorithm>

namespace suture::diff {

namespace {

using program::Function;

/// How far a short jump reaches, in bytes, with room for the branch it leads to.
constexpr std::uint32_t kShortReach = 128 + 16;

class Chooser {
  public:
    Chooser(const program::Program& baseline, const isa::Isa& isa)
        : program_(baseline), isa_(isa), pads_(baseline.pads().begin(), baseline.pads().end()) {}

    std::map<Rva, Result<isa::Site>> choose(std::span<const Function* const> functions) {
        std::map<Rva, Result<isa::Site>> sites;
        for (const Function* function : functions)
            if (auto site = ask(*function, false); site && site->kind == isa::SiteKind::x64_padded)
                widen(*take(sites, *function, std::move(site)));
        for (const Function* function : functions) {
            if (sites.contains(function->range.begin))
                continue;
            auto site = ask(*function, true);
            if (!site && narrow_around(sites, function->range.begin))
                site = ask(*function, true);
            take(sites, *function, std::move(site));
        }
        for (auto& [entry, site] : sites)
            if (site && site->uses_pad())
                widen(*site);
            else if (site && site->kind == isa::SiteKind::x64_tail)
                widen_tail(*site);
        return sites;
    }

  private:
    Result<isa::Site> ask(const Function& function, bool with_neighbours) const {
        const Bytes code = match::code_of(program_, function);
        const auto inner = not_to_be_displaced(function);
        isa::SiteQuestion question;
        question.entry = function.range.begin;
        question.size = function.range.size;
        question.code = code;
        question.inner_targets = inner;
        std::vector<isa::SiteQuestion::Pad> caves;
        const auto first =
            std::lower_bound(pads_.begin(), pads_.end(), function.range.begin,
                             [](const RvaRange& pad, Rva entry) { return pad.end() + kShortReach < entry.value; });
        for (auto pad = first; pad != pads_.end() && pad->begin.value <= function.range.end() + kShortReach; ++pad) {
            const auto bytes = program_.image().bytes_at(pad->begin, pad->size);
            if (!bytes || pad->size == 0)
                continue;
            if (pad->end() == function.range.begin.value)
                question.pad_before = *bytes;
            else if (with_neighbours && pad->begin.value == function.range.end())
                question.pad_after = *bytes;
            if (with_neighbours)
                caves.push_back({pad->begin, *bytes});
        }
        question.caves = caves;
        return isa_.choose_site(question);
    }

    /// Offsets of what something refers to, and of what the loader adjusts.
    std::vector<std::uint32_t> not_to_be_displaced(const Function& function) const {
        auto offsets = program_.inner_targets(function);
        const std::size_t targets = offsets.size();
        for (std::uint32_t at = 1; at < std::min(function.range.size, isa::Isa::kEntryContext); ++at)
            if (program_.relocated(function.range.begin + at))
                offsets.push_back(at);
        std::ranges::inplace_merge(offsets, offsets.begin() + static_cast<std::ptrdiff_t>(targets));
        return offsets;
    }

    Result<isa::Site>& take(std::map<Rva, Result<isa::Site>>& sites, const Function& function, Result<isa::Site> site) {
        const auto end = Rva{static_cast<std::uint32_t>(function.range.end())};
        if (site && site->uses_pad())
            use(site->pad_range());
        else if (site && site->kind == isa::SiteKind::x64_tail)
            use({end, site->entry_size - function.range.size});
        return sites.emplace(function.range.begin, std::move(site)).first->second;
    }

    /// Gives back what sites in reach of `entry` took in front of their pads; false if that is nothing.
    bool narrow_around(std::map<Rva, Result<isa::Site>>& sites, Rva entry) {
        bool some = false;
        auto near = sites.lower_bound(Rva{entry.value - std::min(entry.value, kShortReach)});
        for (; near != sites.end() && near->first.value <= entry.value + kShortReach; ++near) {
            auto& site = near->second;
            if (!site || site->kind != isa::SiteKind::x64_padded || site->pad_size != isa::Isa::kWideBranchSize)
                continue;
            give_back({site->pad, 1});
            site->pad = site->pad + 1;
            site->pad_size = isa::Isa::kBranchSize;
            some = true;
        }
        return some;
    }

    void give_back(RvaRange bytes) {
        const auto next = std::ranges::upper_bound(pads_, bytes.begin, {}, &RvaRange::begin);
        if (next != pads_.begin() && std::prev(next)->end() == bytes.begin.value)
            std::prev(next)->size += bytes.size;
        else
            pads_.insert(next, bytes);
    }

    /// Takes one byte more on either side of the pad, if one is free and the site holds with it.
    void widen(isa::Site& site) {
        if (site.pad_size == isa::Isa::kWideBranchSize)
            return;
        for (const bool before : {true, false}) {
            if (before && site.pad.value == 0)
                continue;
            isa::Site wide = site;
            wide.pad_size = isa::Isa::kWideBranchSize;
            if (before)
                wide.pad = Rva{site.pad.value - 1};
            const RvaRange more{before ? wide.pad : site.pad + site.pad_size, 1};
            if (!is_free(more) || !holds(wide))
                continue;
            use(more);
            site = wide;
            return;
        }
    }

    /// Leaves as much as the function behind it may take, in this package or another.
    void widen_tail(isa::Site& site) {
        const RvaRange more{site.entry + site.entry_size, 1};
        isa::Site wide = site;
        wide.entry_size = isa::Isa::kWideBranchSize;
        const auto fill = program_.pads();
        const auto next = std::ranges::upper_bound(fill, more.begin, {}, &RvaRange::begin);
        if (next == fill.begin() || std::prev(next)->end() < more.end() + isa::Isa::kWideBranchSize || !is_free(more) ||
            !holds(wide))
            return;
        use(more);
        site = wide;
    }

    bool is_free(RvaRange bytes) const {
        const auto next = std::ranges::upper_bound(pads_, bytes.begin, {}, &RvaRange::begin);
        return next != pads_.begin() && std::prev(next)->contains(bytes);
    }

    bool holds(const isa::Site& site) const {
        const auto entry = bytes_around(site.entry, 0, isa::Isa::kEntryContext);
        const auto pad = site.uses_pad() ? bytes_around(site.pad, isa::Isa::kPadContext, site.pad_size) : ByteView();
        return entry && pad && isa_.prove_site(site, *entry, *pad);
    }

    /// As many as there are in the section, but all of `size` where something lies before.
    std::optional<ByteView> bytes_around(Rva at, std::uint32_t before, std::uint32_t size) const {
        const pe::Section* const section = program_.image().section_at(at);
        if (!section)
            return std::nullopt;
        const std::uint32_t ahead = std::min(before, at - section->range.begin);
        const auto bytes = program_.image().bytes_from(Rva{at.value - ahead});
        return bytes ? bytes->slice(0, std::min<std::size_t>(bytes->size(), ahead + size)) : std::nullopt;
    }

    /// Takes bytes out of the pad that holds them; what is left on either side may serve another function.
    void use(RvaRange bytes) {
        const auto next = std::upper_bound(pads_.begin(), pads_.end(), bytes.begin,
                                           [](Rva rva, const RvaRange& pad) { return rva < pad.begin; });
        if (next == pads_.begin())
            return;
        RvaRange& pad = *std::prev(next);
        const auto after =
            RvaRange{Rva{static_cast<std::uint32_t>(bytes.end())}, static_cast<std::uint32_t>(pad.end() - bytes.end())};
        pad.size = bytes.begin - pad.begin;
        if (pad.size == 0)
            pad = after;
        else if (after.size != 0)
            pads_.insert(next, after);
    }

    const program::Program& program_;
    const isa::Isa& isa_;
    std::vector<RvaRange> pads_; ///< what is free of them
};

} // namespace

std::map<Rva, Result<isa::Site>> choose_sites(const program::Program& baseline,
                                              std::span<const Function* const> functions, const isa::Isa& isa) {
    return Chooser(baseline, isa).choose(functions);
}

} // namespace suture::diff
