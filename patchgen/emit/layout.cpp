#include "patchgen/emit/layout.hpp"

#include "patchgen/emit/unwind.hpp"

#include <algorithm>
#include <set>

namespace suture::emit {

using diff::EmittedData;
using diff::EmittedFunction;

namespace {

constexpr std::uint32_t kCodeAlignment = 16;
constexpr std::uint32_t kVeneerAlignment = 4;
constexpr std::uint32_t kTableAlignment = 4;
constexpr std::uint32_t kImportAlignment = 8;
/// Compilers align a table behind the code that uses it by less, in bytes.
constexpr std::uint32_t kMaxFillBeforeTable = 16;

Rva behind(const LaidSection& section, Rva begin) {
    const std::uint64_t pages = (section.size + package::kPageSize - 1) / package::kPageSize;
    return begin + static_cast<std::uint32_t>(pages * package::kPageSize);
}

void lay_out_code(Layout& layout, const diff::ChangeSet& changes) {
    for (const EmittedFunction& function : changes.functions) {
        layout.functions.emplace(function.updated->range.begin,
                                 layout.text.take(emitted_size(*function.updated), kCodeAlignment));
        if (const Veneers* veneers = layout.veneers_of(*function.updated))
            layout.text.take(veneers->code.size(), kVeneerAlignment);
    }
}

/// Room for data. The data of Arm64 code is placed so that what shared a page shares one again, as far as that costs
/// less than a page: then an adrp goes on to serve several instructions.
Rva take_data(LaidSection& section, const EmittedData& data, Machine machine, bool zero_fill = false) {
    const RvaRange range = data.object.range;
    if (machine == Machine::arm64) {
        const std::uint64_t at = (section.size + data.alignment - 1) / data.alignment * data.alignment;
        const std::uint64_t in_page = at % package::kPageSize;
        if (range.size > package::kPageSize)
            section.take((range.begin.value - at) % package::kPageSize, data.alignment, zero_fill);
        else if (in_page + range.size > package::kPageSize)
            section.take(0, package::kPageSize, zero_fill);
    }
    return section.take(range.size, data.alignment, zero_fill);
}

void lay_out_tables(Layout& layout, const diff::ChangeSet& changes) {
    for (const EmittedFunction& function : changes.functions) {
        const RvaRange code = function.updated->range;
        for (const program::JumpTable& table : function.updated->jump_tables) {
            if (!layout.table_ranges.emplace(table.at, table.range()).second)
                continue;
            layout.tables[table.at] = RvaRange{code.begin, emitted_size(*function.updated)}.contains(table.range())
                                          ? layout.functions[code.begin] + (table.at - code.begin)
                                          : layout.rdata.take(table.range().size, kTableAlignment);
        }
    }
}

bool all_zero(const program::Program& updated, const EmittedData& data) {
    const auto content = updated.image().content(data.object.range);
    return data.pointers.empty() && content && std::ranges::all_of(*content, [](auto byte) { return byte == 0; });
}

void lay_out_imports(Layout& layout, const diff::ChangeSet& changes) {
    std::set<package::ImportRequest> requests;
    const auto add = [&](const diff::Destination& destination) {
        if (const auto* import = std::get_if<diff::ToNewImport>(&destination))
            requests.insert({import->dll, import->name, import->ordinal});
    };
    for (const EmittedFunction& function : changes.functions)
        std::ranges::for_each(function.destinations, add);
    for (const EmittedData& data : changes.data) {
        for (const auto& [offset, destination] : data.pointers)
            add(destination);
        for (const EmittedData::Distance& distance : data.distances)
            add(distance.destination);
    }
    if (requests.empty())
        return;
    const std::vector<package::ImportRequest> list(requests.begin(), requests.end());
    const Rva at = layout.rdata.take(0, kImportAlignment);
    layout.imports = package::build_import_table(list, at);
    layout.rdata.take(layout.imports->bytes.size(), 1);
    for (std::size_t i = 0; i < list.size(); ++i)
        layout.slots[list[i]] = layout.imports->slots[i];
}

} // namespace

Rva LaidSection::take(std::uint64_t bytes, std::uint32_t alignment, bool zero_fill) {
    size = (size + alignment - 1) / alignment * alignment;
    const Rva at = rva + static_cast<std::uint32_t>(size);
    size += bytes;
    if (!zero_fill)
        initialised = size;
    return at;
}

std::optional<Rva> Layout::in_table(Rva updated) const {
    auto next = table_ranges.upper_bound(updated);
    if (next == table_ranges.begin() || !(--next)->second.contains(updated))
        return std::nullopt;
    return tables.at(next->first) + (updated - next->first);
}

const Veneers* Layout::veneers_of(const program::Function& function) const {
    const auto found = std::ranges::lower_bound(veneers, function.range.begin, {},
                                                [](const Veneers& one) { return one.function->range.begin; });
    return found == veneers.end() || found->function != &function ? nullptr : &*found;
}

Rva Layout::veneers_at(const program::Function& function) const {
    const std::uint32_t end = functions.at(function.range.begin).value + emitted_size(function);
    return Rva{(end + kVeneerAlignment - 1) / kVeneerAlignment * kVeneerAlignment};
}

std::uint32_t emitted_size(const program::Function& function) {
    std::uint64_t end = function.range.end();
    for (const pe::RuntimeFunction& entry : function.unwind)
        end = std::max(end, entry.range.end());
    // Entries of a byte or two that count from their own table reach the code only from where the table is.
    for (const program::JumpTable& table : function.jump_tables)
        if (table.entry_size < 4 && table.base == table.at && table.at.value >= end &&
            table.at.value - end < kMaxFillBeforeTable)
            end = table.range().end();
    return static_cast<std::uint32_t>(end - function.range.begin.value);
}

Result<Layout> lay_out(const program::Program& updated, const diff::ChangeSet& changes, std::vector<Veneers> veneers) {
    Layout layout;
    layout.veneers = std::move(veneers);
    const Machine machine = updated.image().machine();
    layout.text.rva = package::kFirstSection;
    lay_out_code(layout, changes);

    layout.rdata.rva = behind(layout.text, layout.text.rva);
    for (const EmittedData& data : changes.data)
        if (!data.object.writable)
            layout.objects[data.object.range.begin] = take_data(layout.rdata, data, machine);
    lay_out_tables(layout, changes);
    SUTURE_CHECK(lay_out_unwind(updated, changes, layout));
    lay_out_imports(layout, changes);

    layout.data.rva = behind(layout.rdata, layout.rdata.rva);
    for (const bool zero : {false, true})
        for (const EmittedData& data : changes.data)
            if (data.object.writable && all_zero(updated, data) == zero)
                layout.objects[data.object.range.begin] = take_data(layout.data, data, machine, zero);
    return layout;
}

} // namespace suture::emit
