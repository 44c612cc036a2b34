#include "patchgen/diff/unexplained.hpp"

#include "engine/core/hash.hpp"
#include "patchgen/diff/contents.hpp"

#include <algorithm>

namespace suture::diff {

using program::DataObject;

namespace {

struct Piece {
    Digest digest;
    Rva at;

    auto operator<=>(const Piece&) const = default;
};

/// What the object holds but for addresses and the zeros at its end; empty where that is nothing.
Bytes content_of(const match::Places& places, RvaRange range) {
    auto content = places.program().image().content(range);
    if (!content)
        return {};
    const auto clear = [&](Rva at, std::uint32_t size) {
        for (std::uint32_t i = 0; i < size; ++i)
            if (range.contains(at + i))
                (*content)[at + i - range.begin] = 0;
    };
    for (const pe::Relocation& field : places.relocations_in(range))
        clear(field.at, field.size);
    for (const program::AddressWord& word : places.words_in(range))
        clear(word.at, 4);
    while (!content->empty() && content->back() == 0)
        content->pop_back();
    return std::move(*content);
}

/// Read-only data that is compared for nobody's sake.
std::vector<Piece> pieces_of(const match::Places& places) {
    std::vector<Piece> pieces;
    bool is_compared = false; // the object in front, for its own sake or as what lies behind another one
    const DataObject* before = nullptr;
    for (const DataObject& object : places.program().data()) {
        const bool goes_on = before && before->range.end() == object.range.begin.value && !before->closed &&
                             Contents::may_go_on(places, *before, object);
        is_compared = places.program().is_referred_to(object.range) || (is_compared && goes_on);
        before = &object;
        const pe::Section* section = places.program().image().section_at(object.range.begin);
        if (is_compared || object.writable || !section || section->executable() || section->discardable() ||
            places.at(object.range.begin).kind != match::PlaceKind::data)
            continue;
        if (const Bytes content = content_of(places, object.range); !content.empty())
            pieces.push_back({digest_of(content), object.range.begin});
    }
    std::ranges::sort(pieces);
    return pieces;
}

std::optional<Rva> first_missing(const std::vector<Piece>& a, const std::vector<Piece>& b) {
    std::vector<Piece> missing;
    std::ranges::set_difference(a, b, std::back_inserter(missing), {}, &Piece::digest, &Piece::digest);
    const auto first = std::ranges::min_element(missing, {}, &Piece::at);
    return first != missing.end() ? std::optional(first->at) : std::nullopt;
}

/// Where the variables of a section begin, from its first byte on.
std::vector<std::uint32_t> offsets_in(const program::Program& program, const pe::Section& section) {
    std::vector<std::uint32_t> offsets;
    for (const DataObject& object : program.data())
        if (section.range.contains(object.range.begin))
            offsets.push_back(object.range.begin - section.range.begin);
    return offsets;
}

std::optional<Rva> grown(const program::Program& baseline, const program::Program& updated) {
    for (const pe::Section& section : updated.image().sections()) {
        const auto old = std::ranges::find(baseline.image().sections(), section.name, &pe::Section::name);
        if (!section.writable() || old == baseline.image().sections().end() || old->range.size == section.range.size)
            continue;
        const auto offsets = offsets_in(updated, section);
        if (!offsets.empty() && offsets == offsets_in(baseline, *old))
            return section.range.begin + offsets.back();
    }
    return std::nullopt;
}

} // namespace

Unexplained unexplained_data(const Pairing& pairing) {
    const auto before = pieces_of(pairing.baseline);
    const auto after = pieces_of(pairing.updated);
    const auto come = first_missing(after, before);
    return {come && first_missing(before, after) ? come : std::nullopt,
            grown(pairing.baseline.program(), pairing.updated.program())};
}

} // namespace suture::diff
