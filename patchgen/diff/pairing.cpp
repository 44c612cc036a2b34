#include "patchgen/diff/pairing.hpp"

#include "patchgen/match/sections.hpp"
#include "patchgen/program/parallel.hpp"

#include <algorithm>

namespace suture::diff {

Pairing::BothPlaces Pairing::places_of(const program::Program& baseline, const program::Program& updated) {
    std::optional<match::Places> from, to;
    program::at_once([&] { from.emplace(baseline); }, [&] { to.emplace(updated); });
    return {std::move(*from), std::move(*to)};
}

Pairing::Pairing(BothPlaces places)
    : baseline(std::move(places.first)), updated(std::move(places.second)), functions(match::match(baseline, updated)),
      data(baseline, updated, functions), baseline_handlers(baseline.program()), updated_handlers(updated.program()) {}

bool same_dll(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool Pairing::same_import(std::uint32_t old_slot, std::uint32_t new_slot) const {
    const pe::ImportSlot& a = baseline.program().imports()[old_slot];
    const pe::ImportSlot& b = updated.program().imports()[new_slot];
    return same_dll(a.dll, b.dll) && a.name == b.name && (!a.name.empty() || a.ordinal == b.ordinal) &&
           a.delayed == b.delayed;
}

bool Pairing::same_section(std::uint32_t old_section, std::uint32_t new_section) const {
    const pe::Image& from = baseline.program().image();
    const pe::Image& to = updated.program().image();
    return match::section_like(from, to, to.sections()[new_section]) == &from.sections()[old_section];
}

bool Pairing::same_metadata(std::uint32_t old_index, std::uint32_t new_index) const {
    const match::Metadata& a = baseline.metadata()[old_index];
    const match::Metadata& b = updated.metadata()[new_index];
    if (a.kind != b.kind)
        return false;
    if (a.kind != match::Metadata::Kind::jump_table)
        return a.kind != match::Metadata::Kind::unwind_info && a.key == b.key;
    const match::Place owner = baseline.at(Rva{a.key});
    const match::Place new_owner = updated.at(Rva{b.key});
    if (owner.kind != match::PlaceKind::function || new_owner.kind != match::PlaceKind::function ||
        !functions.related(owner.index, new_owner.index))
        return false;
    const auto rank = [](const program::Function& function, Rva at) {
        return std::find_if(function.jump_tables.begin(), function.jump_tables.end(),
                            [&](const program::JumpTable& table) { return table.at == at; }) -
               function.jump_tables.begin();
    };
    return rank(old_function(owner.index), a.range.begin) == rank(new_function(new_owner.index), b.range.begin);
}

} // namespace suture::diff
