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
                take(sites, *function, std::move(site));
        for (const Function* function : functions)
            if (!sites.contains(function->range.begin))
                take(sites, *function, ask(*function, true));
        return sites;
    }

  private:
    Result<isa::Site> ask(const Function& function, bool with_neighbours) const {
        const Bytes code = match::code_of(program_, function);
        const auto inner = program_.inner_targets(function);
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

    void take(std::map<Rva, Result<isa::Site>>& sites, const Function& function, Result<isa::Site> site) {
        const auto end = Rva{static_cast<std::uint32_t>(function.range.end())};
        if (site && site->uses_pad())
            use({site->pad, isa::Isa::kPadSize});
        else if (site && site->kind == isa::SiteKind::x64_tail)
            use({end, site->entry_size - function.range.size});
        sites.emplace(function.range.begin, std::move(site));
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
