#include "tests/patchgen/mutation/uses.hpp"

#include "engine/pe/unwind_x64.hpp"

#include <algorithm>

namespace suture::test {

namespace {

using Flow = Instruction::Flow;

/// Farthest that a byte may lie behind the address that leads to it.
constexpr std::uint32_t kMaxObject = 1u << 20;
/// Most zeros behind a record that are taken for alignment.
constexpr std::uint32_t kMaxPadding = 16;
/// Most places that are followed backwards from one byte.
constexpr std::size_t kMaxPlaces = 4096;

} // namespace

Leads::Leads(const RawImage& image, const program::Program& named) : image_(image) {
    const bool symbols = named.symbol_source() != "image";
    for (const program::DataObject& object : named.data()) {
        const bool by_symbols = symbols && (!object.names.empty() || object.closed);
        if (symbols && !object.names.empty())
            named_.push_back(object.range.begin);
        if (by_symbols || object.size_known)
            extents_.push_back({object.range, by_symbols});
    }
    const auto add = [&](Rva to, Rva from, By by, std::uint32_t size = 0) {
        if (image_.image().section_at(to))
            leads_.push_back({to, from, by, size});
    };
    for (const Instruction& one : image.instructions()) {
        if (one.target && one.flow == Flow::none)
            add(*one.target, one.at, one.access != 0 ? By::access : By::address,
                one.access != 0 ? one.access : 4 * image.jump_table_of(one));
        if (one.displacement_size == 4)
            if (const auto value = image.image().read<std::uint32_t>(one.at + one.displacement))
                add(Rva{*value}, one.at, By::number);
    }
    for (const pe::Relocation& field : image.relocations())
        if (const auto to = image.pointer_at(field.at))
            add(*to, field.at, By::pointer);
    for (const pe::Export& one : image.exports())
        if (one.forwarder.empty())
            add(one.rva, {}, By::exported);
    for (const pe::RuntimeFunction& one : image.runtime_functions())
        if (one.unwind_info.value != 0)
            add(one.unwind_info, one.range.begin, By::exception, image.size_of_unwinding(one.unwind_info).value_or(0));
    for (const pe::Section& section : image.image().sections()) {
        if (section.executable() || section.writable() || section.discardable())
            continue;
        for (std::uint32_t i = 0; i + 4 <= section.initialised_size(); i += 4) {
            const Rva from = section.range.begin + i;
            const auto word = image.image().read<std::uint32_t>(from);
            if (word && *word != 0 && !image.relocated(from) && !image.of_linker(from) && !image.of_unwinding(from))
                if (const pe::Section* to = image.image().section_at(Rva{*word}); to && !to->executable())
                    add(Rva{*word}, from, By::word);
        }
    }
    std::ranges::sort(leads_);
}

bool Leads::is_padding(Rva at) const {
    const auto next =
        std::ranges::upper_bound(extents_, at, {}, [](const Extent& extent) { return extent.range.begin; });
    if (next == extents_.begin() || std::prev(next)->range.end() > at.value)
        return false;
    const Extent& before = *std::prev(next);
    const Rva end{static_cast<std::uint32_t>(before.range.end())};
    if (!before.by_symbols) {
        const auto bytes = image_.image().content({end, at - end + 1});
        if (at - end >= kMaxPadding || !bytes || std::ranges::any_of(*bytes, [](auto byte) { return byte != 0; }))
            return false;
    }
    return std::ranges::all_of(to(at), [&](const Lead& lead) { return lead.to < end; });
}

bool Leads::ends_before(const Lead& lead, Rva at) const {
    if (lead.size != 0)
        return at - lead.to >= lead.size;
    const std::uint32_t text = image_.string_at(lead.to);
    return text != 0 && at - lead.to >= text;
}

std::vector<Leads::Lead> Leads::to(Rva at) const {
    std::vector<Lead> found;
    const pe::Section* section = image_.image().section_at(at);
    if (!section)
        return found;
    Rva first = std::max(section->range.begin, image_.end_of_linkers_below(at));
    if (const auto name = std::ranges::upper_bound(named_, at); name != named_.begin())
        first = std::max(first, *std::prev(name));
    auto next = std::ranges::upper_bound(leads_, at, {}, &Lead::to);
    std::optional<Rva> nearest;
    while (next != leads_.begin()) {
        const Lead& lead = *--next;
        if ((nearest && lead.to != *nearest) || lead.to < first || at - lead.to > kMaxObject)
            break;
        // An access tells nothing of what lies around it.
        const bool ends = ends_before(lead, at);
        if (is_sure(lead) && lead.by != By::access)
            nearest = lead.to;
        if (!ends)
            found.push_back(lead);
        else if ((lead.by == By::address || lead.by == By::pointer) && lead.size == 0) {
            found.push_back(lead);
            found.back().text = true;
        }
    }
    return found;
}

Uses Leads::of(Rva at) const {
    Uses uses;
    std::vector<Rva> pending{at};
    std::set<Rva> seen;
    while (!pending.empty() && seen.size() < kMaxPlaces) {
        const Rva place = pending.back();
        pending.pop_back();
        if (!seen.insert(place).second)
            continue;
        for (const Lead& lead : to(place)) {
            // Chance makes many words look like RVAs; those of variables are in none but what tells of types.
            const pe::Section* section = image_.image().section_at(place);
            if (!lead.text && !(lead.by == By::word && section && section->writable()))
                uses.data.push_back({lead.to, place - lead.to + 1});
            switch (lead.by) {
            case By::access:
            case By::address:
                if (place == at && !lead.text)
                    uses.direct.insert(lead.from);
                [[fallthrough]];
            case By::number:
            case By::exception:
                uses.all.insert(lead.from);
                break;
            case By::pointer:
                // An absolute address within code is an operand.
                if (image_.stretch_at(lead.from))
                    uses.all.insert(lead.from);
                else
                    pending.push_back(lead.from);
                break;
            case By::word:
                pending.push_back(lead.from);
                break;
            case By::exported:
                uses.exported = true;
                break;
            }
        }
    }
    return uses;
}

} // namespace suture::test
