#include "patchgen/prove/arm64/lockstep.hpp"
#include "patchgen/prove/arm64/unwind_record.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

using program::Function;
using program::JumpTable;
using program::Use;

Result<void> Equivalence::compare_arm64_code(const Function& function, Place entry, Entries& entries) {
    const auto updated_code = updated_.image().content(function.range);
    const pe::Section* section = overlay_.section_at(entry);
    if (!updated_code || !overlay_.content(entry, function.range.size) || !section || !section->executable())
        return no_code(function, entry);
    Led led_to;
    arm64::Registers different = 0;
    SUTURE_CHECK(compare_arm64_instructions(function, entry, *updated_code, entries, led_to, different));
    return compare_tables(function, entry, led_to, different);
}

Result<void> Equivalence::compare_arm64_instructions(const Function& function, Place entry, ByteView updated_code,
                                                     Entries& entries, Led& led_to, arm64::Registers& different) {
    const auto updated_word = [&](Rva rva) {
        const auto bytes = updated_.image().bytes_at(rva, arm64::kWordSize);
        return bytes ? bytes->read<std::uint32_t>(0) : std::nullopt;
    };
    const auto is_import = [&](Rva rva) { return updated_.import_at(rva) != nullptr; };
    const auto has_handler = [&] {
        return std::ranges::any_of(function.unwind, [&](const pe::RuntimeFunction& part) {
            const auto record = arm64::unwind_record_of(updated_.image(), part);
            return record && record->has_handler;
        });
    };
    const auto is_in_prologue = [&](std::uint32_t offset) {
        return std::ranges::any_of(function.unwind, [&](const pe::RuntimeFunction& part) {
            const std::uint32_t in_part = function.range.begin + offset - part.range.begin;
            const auto record = arm64::unwind_record_of(updated_.image(), part);
            return part.range.contains(function.range.begin + offset) && record && !record->frame_changes.empty() &&
                   record->frame_changes.front().begin == Rva{0} && in_part < record->frame_changes.front().size;
        });
    };
    auto comparison = arm64::compare({function, updated_code, entry, overlay_, updated_word, is_import,
                                      updated_.load_config().guard_check_pointer, has_handler, is_in_prologue,
                                      entries.ways, entries.taken, entries.jumped_to, entries.caught});
    if (!comparison)
        return fail(std::move(comparison).error().in_image(updated_.path()).in_function(function.display_name()));
    different = comparison->different_at_tables;
    entries.thrown |= comparison->different_when_thrown;
    for (const Rva field : comparison->fields)
        used_fields_.insert(field);
    for (const auto& [at, one] : comparison->veneers) {
        const Veneer veneer{one.size, entry.rva, one.instruction};
        const auto [known, first] = veneers_.try_emplace(at, veneer);
        if (known->second != veneer || !entry.in_package)
            return failed({function.range.begin, entry, Use::call, 0, &function, function.range.begin},
                          fmt::format("the veneer at package+0x{:x} serves two functions", at.value));
    }
    for (const auto& [offset, size] : comparison->literals) {
        const Goal goal{function.range.begin + offset, entry + offset, Use::read, size, &function,
                        function.range.begin + offset};
        SUTURE_CHECK(compare_data(goal, goal.updated, goal.place, size));
    }
    for (const arm64::Meeting& meeting : comparison->meetings) {
        led_to.emplace_back(meeting.updated, meeting.place);
        // Labels within the function have been compared, and tables are as a whole.
        const bool is_label = meeting.use == Use::address && meeting.updated != function.range.begin &&
                              function.range.contains(meeting.updated) &&
                              meeting.place == entry + (meeting.updated - function.range.begin);
        const bool is_table = std::ranges::any_of(
            function.jump_tables, [&](const JumpTable& table) { return table.range().contains(meeting.updated); });
        if (is_label || is_table)
            continue;
        const Goal goal{meeting.updated, meeting.place,     meeting.use, meeting.access_size, &function,
                        meeting.at,      meeting.different, false,       !entry.in_package};
        follow(goal);
        if (may_differ_in_front(goal))
            fronts_.push_back(goal);
    }
    return {};
}

} // namespace suture::prove
