#include "tests/patchgen/mutation/uses.hpp"

#include "engine/pe/unwind_x64.hpp"

#include <algorithm>

namespace suture::test {

namespace {

using Flow = Instruction::Flow;

/// Farthest that a byte may lie behind the address that leads to it.
constexpr std::uint32_t kMaxObject = 1u << 20;
/// Most places that are followed backwards from one byte.
constexpr std::size_t kMaxPlaces = 4096;

} // namespace

Leads::Leads(const RawImage& image, const program::Program& named) : image_(image) {
    if (named.symbol_source() != "image")
        for (const program::DataObject& object : named.data()) {
            if (!object.names.empty())
                named_.push_back(object.range.begin);
            if (!object.names.empty() || object.closed)
                ends_.push_back(object.range);
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

bool Leads::lies_behind_symbol(Rva at) const {
    const auto next = std::ranges::upper_bound(ends_, at, {}, &RvaRange::begin);
    if (next == ends_.begin() || std::prev(next)->end() > at.value)
        return false;
    const std::uint64_t end = std::prev(next)->end();
    return std::ranges::all_of(to(at), [&](const Lead& lead) { return lead.to.value < end; });
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
        // Chance makes many words look like RVAs; those of variables are in none but the data of handlers.
        if (lead.by == By::word && section->writable())
            continue;
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
            if (!lead.text)
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
