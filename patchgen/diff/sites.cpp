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
        : program_(baseline), isa_(isa), pads_(baseline.pads()), used_(pads_.size(), false) {}

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
    using Pads = std::span<const RvaRange>;

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
            if (!bytes || used_[static_cast<std::size_t>(pad - pads_.begin())])
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
        if (site && site->uses_pad())
            use(site->pad);
        if (site && site->kind == isa::SiteKind::x64_tail)
            use(Rva{static_cast<std::uint32_t>(function.range.end())});
        sites.emplace(function.range.begin, std::move(site));
    }

    void use(Rva at) {
        auto next = std::upper_bound(pads_.begin(), pads_.end(), at,
                                     [](Rva rva, const RvaRange& pad) { return rva < pad.begin; });
        if (next != pads_.begin() && std::prev(next)->contains(at))
            used_[static_cast<std::size_t>(std::prev(next) - pads_.begin())] = true;
    }

    const program::Program& program_;
    const isa::Isa& isa_;
    Pads pads_;
    std::vector<bool> used_; ///< parallel to pads_
};

} // namespace

std::map<Rva, Result<isa::Site>> choose_sites(const program::Program& baseline,
                                              std::span<const Function* const> functions, const isa::Isa& isa) {
    return Chooser(baseline, isa).choose(functions);
}

} // namespace suture::diff
