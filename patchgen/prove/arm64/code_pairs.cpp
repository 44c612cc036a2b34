#include "patchgen/prove/arm64/lockstep.hpp"
#include "patchgen/prove/arm64/unwind_record.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

using program::Function;
using program::JumpTable;
using program::Use;

namespace {

constexpr std::uint32_t kPage = 0x1000; ///< of an adrp, in bytes

} // namespace

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

/// Whatever lies in a page must mean what lies there in the baseline.
Result<void> Equivalence::follow_page(const Function& function, Rva page) {
    if (!pages_.insert(page).second)
        return {};
    const RvaRange range{page, kPage};
    std::vector<RvaRange> known;
    const auto same = [&](RvaRange what, Use use, std::uint32_t access_size) {
        const Rva at = std::max(what.begin, page);
        known.push_back(what);
        follow({at, {false, at}, use, access_size, &function, function.range.begin});
    };
    const auto first = [&](auto list, auto begin_of) {
        auto next = std::ranges::upper_bound(list, page, {}, begin_of);
        return next != list.begin() ? std::prev(next) : next;
    };
    const auto begin_of = [](const auto& one) { return one.range.begin; };
    for (auto next = first(updated_.functions(), begin_of);
         next != updated_.functions().end() && next->range.begin.value < range.end(); ++next) {
        if (range.contains(next->range.begin))
            same(next->range, Use::address, 0);
        else
            known.push_back(next->range);
    }
    for (auto next = first(updated_.data(), begin_of);
         next != updated_.data().end() && next->range.begin.value < range.end(); ++next)
        if (next->range.overlaps(range))
            same(next->range, Use::address, 0);
    for (auto slot = std::ranges::lower_bound(updated_.imports(), page, {}, &pe::ImportSlot::slot);
         slot != updated_.imports().end() && range.contains(slot->slot); ++slot)
        same({slot->slot, 8}, Use::read, 8);
    // The rest is what the linker made, or nothing.
    std::ranges::sort(known);
    std::uint64_t at = page.value;
    known.push_back({Rva{static_cast<std::uint32_t>(range.end())}, 0});
    for (const RvaRange& one : known) {
        if (one.begin.value > at) {
            const RvaRange rest{Rva{static_cast<std::uint32_t>(at)}, static_cast<std::uint32_t>(one.begin.value - at)};
            if (updated_.image().content(rest) != overlay_.content({false, rest.begin}, rest.size))
                return failed({rest.begin, {false, rest.begin}, Use::read, rest.size, &function, function.range.begin},
                              fmt::format("a page that it uses differs from the baseline's at +0x{:x}", at));
        }
        at = std::max(at, one.end());
    }
    return {};
}

Result<void> Equivalence::compare_arm64_instructions(const Function& function, Place entry, ByteView updated_code,
                                                     Entries& entries, Led& led_to, arm64::Registers& different) {
    const auto updated_word = [&](Rva rva) {
        const auto bytes = updated_.image().bytes_at(rva, arm64::kWordSize);
        return bytes ? bytes->read<std::uint32_t>(0) : std::nullopt;
    };
    const auto callee = [&](Rva rva, std::optional<Place> place) {
        const auto [known, first] = callees_.try_emplace(rva);
        const Function* called = first ? updated_.function_at(rva) : nullptr;
        const auto code = called && called->range.begin == rva ? updated_.image().content(called->range) : std::nullopt;
        if (code)
            known->second = arm64::callee_of(*code, rva);
        // What is emitted may have veneers, which touch further registers.
        const bool is_baseline = place && !place->in_package && !redirected_.contains(place->rva);
        return arm64::Callee{is_baseline ? known->second.kept : 0, known->second.returns};
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
    arm64::Question question{
        function,          updated_code,   entry,        overlay_,
        updated_word,      is_import,      callee,       updated_.load_config().guard_check_pointer,
        has_handler,       is_in_prologue, entries.ways, entries.taken,
        entries.jumped_to, entries.caught};
    auto comparison = arm64::compare(question);
    if (!comparison && !entry.in_package) {
        question.takes_pages_as_they_are = true;
        if (auto again = arm64::compare(question))
            comparison = std::move(again);
    }
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
    for (const Rva page : comparison->pages) {
        SUTURE_CHECK(follow_page(function, page));
        for (const JumpTable& table : function.jump_tables)
            for (const Rva at : {table.at, table.base})
                if (RvaRange{page, kPage}.contains(at))
                    led_to.emplace_back(at, Place{false, at});
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
