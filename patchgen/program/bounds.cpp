#include "patchgen/program/bounds.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::program {

namespace {

/// One statement of one source.
struct Claim {
    Rva at;
    Source source = Source::pdata;
    std::uint32_t size = 0; ///< 0: not stated

    auto operator<=>(const Claim&) const = default;
};

std::string_view words_for(Source source) {
    switch (source) {
    case Source::pdb:
        return "the PDB";
    case Source::coff:
        return "the COFF symbols";
    case Source::exports:
        return "the export table";
    case Source::pdata:
        return "the unwind data";
    case Source::guard_table:
        return "the guard table";
    case Source::call_target:
        return "a call";
    case Source::gap:
        break;
    }
    return "the code around it";
}

std::vector<Claim> claims_of(const Evidence& evidence) {
    std::vector<Claim> claims;
    const auto add = [&](Rva at, Source source, std::uint32_t size) {
        if (code_end(evidence.image, at) > at.value)
            claims.push_back({at, source, size});
    };
    if (evidence.symbols)
        for (const auto& symbol : evidence.symbols->list)
            if (symbol.kind == SymbolKind::function)
                add(symbol.at, evidence.symbols->source, symbol.size);
    for (const auto& exported : evidence.exports)
        if (exported.forwarder.empty())
            add(exported.rva, Source::exports, 0);
    for (const auto& part : evidence.parts)
        add(part.range.begin, Source::pdata, part.range.size);
    for (const Rva at : evidence.guard_functions)
        add(at, Source::guard_table, 0);
    for (const Rva at : evidence.entry_points)
        add(at, Source::call_target, 0);
    std::ranges::sort(claims);
    return claims;
}

/// What one address is said to be.
struct Candidate {
    Claim best;                ///< of the best source
    Claim sized;               ///< of the best source that states a size
    std::uint32_t unwound = 0; ///< size by the unwind data; 0: none
    bool entry = false;        ///< by any source but the unwind data

    Claim sized_by_unwinding() const { return {best.at, Source::pdata, unwound}; }
};

std::vector<Candidate> join(std::span<const Claim> claims) {
    std::vector<Candidate> candidates;
    for (const auto& claim : claims) {
        if (candidates.empty() || candidates.back().best.at != claim.at)
            candidates.push_back({claim, {}, 0, false});
        auto& candidate = candidates.back();
        // Claims of one source ascend by size: of several the largest holds.
        if (claim.size != 0 && (candidate.sized.size == 0 || candidate.sized.source == claim.source))
            candidate.sized = claim;
        if (claim.source == Source::pdata)
            candidate.unwound = claim.size;
        else
            candidate.entry = true;
    }
    return candidates;
}

/// The input section that holds `rva`, or nullptr.
const RvaRange* contribution_at(const Symbols* symbols, Rva rva) {
    if (!symbols)
        return nullptr;
    const auto& list = symbols->contributions;
    auto next =
        std::upper_bound(list.begin(), list.end(), rva, [](Rva at, const RvaRange& range) { return at < range.begin; });
    return next != list.begin() && std::prev(next)->contains(rva) ? &*std::prev(next) : nullptr;
}

} // namespace

std::uint64_t code_end(const pe::Image& image, Rva rva) {
    const auto* section = image.section_at(rva);
    if (!section || !section->executable())
        return rva.value;
    const std::uint64_t end = section->range.begin.value + std::uint64_t{section->initialised_size()};
    return std::max<std::uint64_t>(end, rva.value);
}

std::vector<Start> find_starts(const Evidence& evidence, std::vector<Conflict>& conflicts) {
    auto candidates = join(claims_of(evidence));

    // What lies inside a function that a source of at least the same rank gave a size to is no function.
    std::vector<Candidate> kept;
    for (const auto& candidate : candidates) {
        const auto* before = kept.empty() ? nullptr : &kept.back();
        const bool inside = before && before->sized.size != 0 &&
                            candidate.best.at.value < std::uint64_t{before->sized.at.value} + before->sized.size;
        // Clang's PDBs count what exceptions run on behalf of a function as part of it; it has unwind data of its own,
        // and so has the rest.
        const bool is_funclet = inside && candidate.best.source == Source::pdata && before->unwound != 0 &&
                                candidate.best.at.value >= std::uint64_t{before->best.at.value} + before->unwound &&
                                std::ranges::binary_search(evidence.exception_code, candidate.best.at);
        if (inside && !is_funclet && candidate.best.source != Source::call_target)
            conflicts.push_back(
                {candidate.best.at,
                 fmt::format("{} has a function inside the one that {} has at 0x{:x}", words_for(candidate.best.source),
                             words_for(before->sized.source), before->best.at.value),
                 before->best.at});
        const bool is_symbol = candidate.best.source == Source::pdb || candidate.best.source == Source::coff;
        if (inside && !is_symbol && !is_funclet)
            continue;
        if (is_funclet)
            kept.back().sized = kept.back().sized_by_unwinding();
        if (candidate.sized.source == Source::pdb && candidate.unwound > candidate.sized.size)
            conflicts.push_back({candidate.best.at,
                                 fmt::format("0x{:x} bytes by the PDB, 0x{:x} by the unwind data", candidate.sized.size,
                                             candidate.unwound),
                                 std::nullopt});
        kept.push_back(candidate);
    }

    std::vector<Start> starts;
    starts.reserve(kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        const auto& [best, sized, unwound, entry] = kept[i];
        std::uint64_t end = code_end(evidence.image, best.at);
        if (i + 1 < kept.size())
            end = std::min<std::uint64_t>(end, kept[i + 1].best.at.value);
        Start start{best.at, 0, End::exact, best.source, entry};
        if (sized.size != 0) {
            end = std::min<std::uint64_t>(end, std::uint64_t{best.at.value} + sized.size);
        } else if (best.source == Source::pdb || best.source == Source::coff) {
            start.end = End::trimmed;
            if (const auto* contribution = contribution_at(evidence.symbols, best.at))
                end = std::min(end, contribution->end());
        } else {
            start.end = End::flow;
        }
        start.limit = static_cast<std::uint32_t>(end - best.at.value);
        starts.push_back(start);
    }
    return starts;
}

} // namespace suture::program
