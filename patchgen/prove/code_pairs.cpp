#include "patchgen/program/parallel.hpp"
#include "patchgen/prove/content.hpp"
#include "patchgen/prove/equivalence.hpp"
#include "patchgen/prove/instruction.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

using program::Function;
using program::JumpTable;
using program::ReferenceKind;
using program::Use;

namespace {

/// The table of the function that covers `at`, or nullptr.
const JumpTable* table_at(const Function& function, Rva at) {
    const auto found =
        std::ranges::find_if(function.jump_tables, [&](const JumpTable& table) { return table.range().contains(at); });
    return found != function.jump_tables.end() ? &*found : nullptr;
}

/// Where the data ends that lies at `offset` of a function which is understood, and that its own code reads; `offset`
/// where there is none.
std::uint32_t behind_data(const Function& function, std::uint32_t offset) {
    if (!function.decoded)
        return offset;
    std::uint32_t end = function.instructions.at_or_behind(offset).value_or(function.range.size);
    if (end == offset)
        return offset;
    for (const JumpTable& table : function.jump_tables)
        if (table.at > function.range.begin + offset && function.range.contains(table.at))
            end = std::min(end, table.at - function.range.begin);
    const bool is_read = std::ranges::any_of(function.references, [&](const program::Reference& reference) {
        return (reference.use == Use::read || reference.use == Use::address) &&
               reference.target == function.range.begin + offset;
    });
    return is_read ? end : offset;
}

/// True if the other code starts with an instruction of the same length, with its distance in the same place.
bool same_instruction(const Instruction& instruction, ByteView bytes, ByteView other_code) {
    const auto distance = instruction.distance.value_or(DistanceField{instruction.length, 0});
    const std::ptrdiff_t behind = distance.offset + distance.size;
    const auto others = other_code.slice(0, instruction.length);
    // Whatever a distance is, its bytes have no part in what an instruction is.
    if (others && std::equal(bytes.begin(), bytes.begin() + distance.offset, others->begin()) &&
        std::equal(bytes.begin() + behind, bytes.end(), others->begin() + behind))
        return true;
    const auto other = decode(other_code);
    return other && other->length == instruction.length &&
           (!instruction.distance ||
            (other->distance && other->distance->offset == distance.offset && other->distance->size == distance.size));
}

} // namespace

std::optional<Place> entry_of(const JumpTable& table, ByteView entries, std::size_t index, Place base) {
    std::int64_t value = 0;
    switch (table.entry_size) {
    case 1: {
        const auto byte = entries.read<std::uint8_t>(index);
        value = !byte ? 0 : table.is_signed ? std::int64_t{static_cast<std::int8_t>(*byte)} : std::int64_t{*byte};
        break;
    }
    case 2: {
        const auto half = entries.read<std::uint16_t>(2 * index);
        value = !half ? 0 : table.is_signed ? std::int64_t{static_cast<std::int16_t>(*half)} : std::int64_t{*half};
        break;
    }
    case 4:
        value = entries.read<std::int32_t>(4 * index).value_or(0);
        break;
    default:
        return std::nullopt;
    }
    return base + static_cast<std::uint32_t>(value * (std::int64_t{1} << table.shift));
}

/// What can be said of a pair before any of its code is compared.
Result<void> Equivalence::note_code(const Goal& goal, const Function& function, Place entry) {
    const std::uint32_t size = function.range.size;
    if (!entry.in_package) {
        const Function* old = overlay_.baseline().function_at(entry.rva);
        if (old->range.size != size)
            return failed(goal, fmt::format("{} has {} bytes in the baseline, {} in the updated image, and is not "
                                            "redirected",
                                            function.display_name(), old->range.size, size));
        ++counts_.unchanged;
        return {};
    }
    // One place of the package stands for one function, and no two share bytes.
    const auto next = emitted_.upper_bound(entry.rva);
    const bool overlaps_next = next != emitted_.end() && next->first.value < entry.rva.value + size;
    const bool overlaps_previous = next != emitted_.begin() && std::prev(next)->second != &function &&
                                   std::prev(next)->first.value + std::prev(next)->second->range.size > entry.rva.value;
    if (overlaps_next || overlaps_previous)
        return failed(goal, fmt::format("{} is used for another function too", entry.text()));
    emitted_.emplace(entry.rva, &function);
    ++counts_.emitted;
    return {};
}

Result<void> Equivalence::compare_waiting() {
    std::vector<CodePair> pairs;
    pairs.swap(waiting_);
    std::vector<Compared> compared(pairs.size());
    program::for_each_index(pairs.size(), [&](std::size_t i) { compared[i] = compare_pair(pairs[i]); });
    for (std::size_t i = 0; i < pairs.size(); ++i)
        SUTURE_CHECK(take(pairs[i], compared[i]));
    return {};
}

Result<void> Equivalence::take(const CodePair& pair, Compared& compared) {
    if (compared.error)
        return fail(std::move(*compared.error));
    used_fields_.insert(compared.used_fields.begin(), compared.used_fields.end());
    fronts_.insert(fronts_.end(), compared.fronts.begin(), compared.fronts.end());
    Led led_to;
    for (const Compared::Meeting& meeting : compared.meetings) {
        if (!pair.function->jump_tables.empty() && !meeting.is_possible)
            led_to.emplace_back(meeting.goal.updated, meeting.goal.place);
        if (!meeting.is_table)
            follow(meeting.goal, meeting.may_be_end);
    }
    return compare_tables(*pair.function, pair.entry, led_to, 0);
}

Equivalence::Compared Equivalence::compare_pair(const CodePair& pair) const {
    const Function& function = *pair.function;
    const Content updated_code(updated_.image(), function.range);
    const Content code(overlay_, pair.entry, function.range.size);
    const pe::Section* section = overlay_.section_at(pair.entry);
    Compared compared;
    auto result = updated_code.bytes() && code.bytes() && section && section->executable()
                      ? compare_instructions(function, pair.entry, *updated_code.bytes(), *code.bytes(), compared)
                      : no_code(function, pair.entry);
    if (!result)
        compared.error = std::move(result).error();
    return compared;
}

std::unexpected<Error> Equivalence::no_code(const Function& function, Place entry) const {
    return failed({function.range.begin, entry, Use::call, 0, &function, function.range.begin},
                  fmt::format("there is no code of {} bytes at {}", function.range.size, entry.text()));
}

/// Something outside of it that the code of a function leads to.
void Equivalence::meet(const Goal& goal, Compared& compared) const {
    const bool is_table = table_at(*goal.referrer, goal.updated) != nullptr;
    compared.meetings.push_back({goal, is_table, !is_table && may_be_an_end(goal), false});
    if (!is_table && may_differ_in_front(goal))
        compared.fronts.push_back(goal);
}

Result<void> Equivalence::compare_instructions(const Function& function, Place entry, ByteView updated_code,
                                               ByteView code, Compared& compared) const {
    Goal goal{{}, {}, Use::address, 0, &function, {}};
    const Rva begin = function.range.begin;
    const auto leads = [&](Rva updated, Place place, Use use, std::uint32_t access_size) {
        meet({updated, place, use, access_size, &function, goal.at, 0, false, !entry.in_package}, compared);
    };
    const auto relocations = updated_.relocations();
    auto relocation = std::ranges::lower_bound(relocations, begin, {}, &pe::Relocation::at);
    auto reference = function.references.begin();
    std::vector<RvaRange> fields; // of the instruction that hold addresses: offsets from the entry

    for (std::uint32_t offset = 0; offset < updated_code.size();) {
        goal.at = begin + offset;
        if (const JumpTable* table = table_at(function, goal.at)) {
            offset = static_cast<std::uint32_t>(table->range().end() - begin.value);
            while (relocation != relocations.end() && relocation->at < begin + offset)
                ++relocation;
            continue;
        }
        if (const std::uint32_t behind = behind_data(function, offset); behind != offset) {
            // Data that code of this function reads, such as the indices of a switch with two tables.
            if (*updated_code.slice(offset, behind - offset) != *code.slice(offset, behind - offset))
                return failed(goal, fmt::format("the data within it differs from that at {}", (entry + offset).text()));
            offset = behind;
            continue;
        }
        const auto ours = decode(*updated_code.from(offset));
        if (!ours) {
            // What cannot be decoded cannot be checked where it is new; where it is old, every byte must be as it was.
            if (entry.in_package || *updated_code.from(offset) != *code.from(offset))
                return failed(goal, "code that cannot be decoded");
            meet_possible(function, entry, updated_code, offset, compared);
            return {};
        }
        if (!same_instruction(*ours, *updated_code.slice(offset, ours->length), *code.from(offset)))
            return failed(goal, fmt::format("another instruction at {}", (entry + offset).text()));

        fields.clear();
        if (ours->distance) {
            const auto& field = *ours->distance;
            const std::uint32_t at = offset + field.offset;
            fields.push_back({{at}, field.size});
            const std::int64_t distance = field.size == 1 ? std::int64_t{*updated_code.read<std::int8_t>(at)}
                                                          : std::int64_t{*updated_code.read<std::int32_t>(at)};
            const std::int64_t target = std::int64_t{begin.value} + offset + ours->length + distance;
            const auto place = overlay_.displaced(entry + at, field.size, entry + (offset + ours->length));
            if (target < 0 || target >= std::int64_t{updated_.image().size_of_image()} || !place)
                return failed(goal, fmt::format("a reference of {} leads nowhere", (entry + offset).text()));
            const Rva updated{static_cast<std::uint32_t>(target)};
            if (entry.in_package)
                compared.used_fields.push_back(entry.rva + at);
            const bool stays = field.use == Use::jump && function.range.contains(updated) && updated != begin;
            if (stays && *place != entry + (updated - begin))
                return failed(goal, fmt::format("a branch within the function leads to {}", place->text()));
            if (!stays)
                leads(updated, *place, field.use, field.access_size);
        }
        while (relocation != relocations.end() && relocation->at < goal.at)
            ++relocation;
        for (; relocation != relocations.end() && relocation->at < goal.at + ours->length; ++relocation) {
            const std::uint32_t at = relocation->at - begin;
            const auto updated = updated_.pointer_at(relocation->at);
            const auto place = overlay_.pointer(entry + at);
            if (!updated || !place || at + 8 > offset + ours->length)
                return failed(goal, fmt::format("the pointer at {} leads nowhere", (entry + at).text()));
            if (entry.in_package)
                compared.used_fields.push_back(entry.rva + at);
            fields.push_back({{at}, 8});
            leads(*updated, *place, Use::address, 0);
        }
        while (reference != function.references.end() && reference->instruction < offset)
            ++reference;
        for (; reference != function.references.end() && reference->instruction == offset; ++reference) {
            if (reference->kind != ReferenceKind::image_relative)
                continue;
            // The base it is added to is the baseline's: that is what a reference to the header must lead to.
            const auto place = overlay_.image_relative(entry + reference->offset);
            if (reference->size != 4 || !place || reference->offset + 4 > offset + ours->length)
                return failed(goal, "an image-relative reference of an unusual form");
            if (entry.in_package)
                compared.used_fields.push_back(entry.rva + reference->offset);
            fields.push_back({{reference->offset}, 4});
            leads(reference->target, *place, reference->use, reference->access_size);
        }
        const bool equal = std::equal(updated_code.begin() + offset, updated_code.begin() + offset + ours->length,
                                      code.begin() + offset);
        for (std::uint32_t i = offset; !equal && i < offset + ours->length; ++i) {
            const bool is_field = std::ranges::any_of(fields, [&](RvaRange field) { return field.contains(Rva{i}); });
            if (!is_field && updated_code[i] != code[i])
                return failed(goal, fmt::format("byte 0x{:02x} in the updated image, 0x{:02x} at {}", updated_code[i],
                                                code[i], (entry + i).text()));
        }
        offset += ours->length;
    }
    return {};
}

/// Behind what cannot be decoded any byte may begin an instruction that refers to something.
void Equivalence::meet_possible(const Function& function, Place entry, ByteView code, std::uint32_t from,
                                Compared& compared) const {
    const Rva begin = function.range.begin;
    const auto add = [&](const Goal& goal) { compared.meetings.push_back({goal, false, may_be_an_end(goal), true}); };
    for (std::uint32_t offset = from; offset < code.size(); ++offset) {
        const auto step = decode(*code.from(offset));
        if (!step || !step->distance)
            continue;
        const auto& field = *step->distance;
        const std::uint32_t at = offset + field.offset;
        const std::int64_t distance = field.size == 1 ? std::int64_t{code.read<std::int8_t>(at).value_or(0)}
                                                      : std::int64_t{code.read<std::int32_t>(at).value_or(0)};
        const std::int64_t target = std::int64_t{begin.value} + offset + step->length + distance;
        if (target < 0 || target >= std::int64_t{updated_.image().size_of_image()})
            continue;
        const Rva updated{static_cast<std::uint32_t>(target)};
        const auto place = overlay_.displaced(entry + at, field.size, entry + (offset + step->length));
        const bool is_something =
            updated_.function_at(updated) || updated_.import_at(updated) || updated_.data_at(updated);
        if (place && is_something && !function.range.contains(updated))
            add({updated, *place, field.use, field.access_size, &function, begin + offset});
    }
}

Result<void> Equivalence::compare_tables(const Function& function, Place entry, const Led& led_to,
                                         arm64::Registers different) {
    for (const JumpTable& table : function.jump_tables) {
        if (table.targets.empty())
            continue; // what leads there has been compared as data
        const Goal goal{table.at, entry, Use::address, 0, &function, table.at};
        // All that lead to the table, or into it, lead to the same one.
        const auto place_of = [&](Rva updated, std::uint32_t size) -> std::optional<Place> {
            std::optional<Place> result;
            if (function.range.contains(updated))
                result = entry + (updated - function.range.begin);
            for (const auto& [to, place] : led_to) {
                if (!RvaRange{updated, size}.contains(to))
                    continue;
                const Place begin = place - (to - updated);
                if (result && *result != begin)
                    return std::nullopt;
                result = begin;
            }
            return result;
        };
        const std::uint32_t size = table.range().size;
        const auto at = place_of(table.at, size);
        const bool of_rvas = table.base == Rva{0};
        const auto base = of_rvas ? std::optional(Place{}) : place_of(table.base, 1);
        if (!at || !base)
            return failed(goal, "nothing in the code leads to its jump table, or not everything to the same one");
        const auto entries = overlay_.content(*at, size);
        const pe::Section* section = overlay_.section_at(*at);
        if (!entries || !section)
            return failed(goal, fmt::format("there is no jump table at {}", at->text()));
        if (at->in_package && section->executable() && !function.range.contains(table.range()))
            tables_in_code_.emplace(at->rva, size);
        for (std::size_t i = 0; i < table.targets.size(); ++i) {
            const Place field = *at + static_cast<std::uint32_t>(table.entry_size * i);
            const bool is_rva = of_rvas && table.entry_size == 4 && table.shift == 0;
            const auto to = is_rva    ? overlay_.image_relative(field)
                            : of_rvas ? std::nullopt
                                      : entry_of(table, *entries, i, *base);
            if (is_rva && field.in_package)
                used_fields_.insert(field.rva);
            const Rva updated = table.targets[i];
            if (!to)
                return failed(goal, "a jump table of an unusual form");
            if (function.range.contains(updated)) {
                if (*to != entry + (updated - function.range.begin))
                    return failed(
                        goal, fmt::format("entry {} of the jump table at {} leads to {}", i, at->text(), to->text()));
            } else {
                follow({updated, *to, Use::jump, 0, &function, table.at, different});
            }
            ++counts_.references;
        }
        counts_.data_bytes += size;
    }
    return {};
}

} // namespace suture::prove
