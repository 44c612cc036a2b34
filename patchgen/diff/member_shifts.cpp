#include "patchgen/diff/member_shifts.hpp"

#include "patchgen/match/fingerprint.hpp"
#include "patchgen/program/machine_code.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <set>
#include <utility>

namespace suture::diff {

using program::Function;
using program::Program;

namespace {

/// Fewest functions that tell of another layout: one or two may just use other members than they did.
constexpr std::size_t kFewestShifted = 3;

/// Fewest distances at which members lie elsewhere by as much as a constant changed: of some 370 fixes, those that are
/// no change of a layout have one at most, and the others five and more.
constexpr std::size_t kFewestMoved = 3;

std::optional<ByteView> instruction_at(ByteView code, const std::vector<std::uint32_t>& offsets, std::size_t i) {
    const std::size_t end = i + 1 < offsets.size() ? offsets[i + 1] : code.size();
    return code.slice(offsets[i], end - offsets[i]);
}

/// The code of a function with all that refers to something by address cleared.
Bytes bare_code(const Program& program, const Function& function) {
    Bytes code = match::code_of(program, function);
    for (const program::Reference& reference : function.references) {
        const std::uint32_t mask = program::immediate_mask(reference.kind);
        for (std::uint32_t i = 0; i < reference.size && std::uint64_t{reference.offset} + i < code.size(); ++i)
            code[reference.offset + i] &= static_cast<std::uint8_t>(~(mask >> 8 * (i % 4)));
    }
    return code;
}

/// By how much two versions of a function differ in where they expect members of objects, or in a constant, where that
/// is all in which they differ.
struct Shift {
    std::int64_t distance = 0;
    bool members = false; ///< else constants alone
};

std::optional<Shift> shift_between(const Pairing& pairing, const Function& before, const Function& after) {
    const auto starts = std::pair(before.instructions.offsets(), after.instructions.offsets());
    if (!before.decoded || !after.decoded || starts.first.size() != starts.second.size())
        return std::nullopt;
    const program::MachineCode& machine = program::machine_code(pairing.updated.program().image().machine());
    const Bytes old_code = bare_code(pairing.baseline.program(), before);
    const Bytes new_code = bare_code(pairing.updated.program(), after);
    Shift shift;
    for (std::size_t i = 0; i < starts.first.size(); ++i) {
        const auto a = instruction_at(old_code, starts.first, i);
        const auto b = instruction_at(new_code, starts.second, i);
        if (!a || !b)
            return std::nullopt;
        if (*a == *b)
            continue;
        const auto member = machine.member_shift(*a, *b);
        const auto distance = member ? member : machine.constant_shift(*a, *b);
        if (!distance || (shift.distance != 0 && shift.distance != *distance))
            return std::nullopt;
        shift.distance = *distance;
        shift.members |= member.has_value();
    }
    return shift.distance != 0 ? std::optional(shift) : std::nullopt;
}

/// How often a function accesses members at each distance.
std::map<std::int64_t, int> distances_of(const Program& program, const Function& function) {
    const program::MachineCode& machine = program::machine_code(program.image().machine());
    const Bytes code = match::code_of(program, function);
    const auto starts = function.instructions.offsets();
    std::map<std::int64_t, int> distances;
    for (std::size_t i = 0; i < starts.size(); ++i)
        if (const auto instruction = instruction_at(code, starts, i))
            if (const auto distance = machine.member_distance(*instruction))
                ++distances[*distance];
    return distances;
}

/// What changed functions say of where members are.
struct Signs {
    /// Functions that differ in nothing but where they expect members, and perhaps in constants as much, by how much.
    std::map<std::int64_t, std::vector<const Function*>> shifted;
    /// A function that differs in nothing but constants, likewise.
    std::map<std::int64_t, const Function*> constants;
    /// For each function: how much more often than before it accesses members at each distance.
    std::vector<std::map<std::int64_t, int>> accesses;
};

Signs signs_in(const Pairing& pairing, const std::set<Edge>& changed) {
    Signs signs;
    for (const auto& [b, u] : changed) {
        const Function& before = pairing.old_function(b);
        const Function& after = pairing.new_function(u);
        if (const auto shift = shift_between(pairing, before, after); shift && shift->members)
            signs.shifted[shift->distance].push_back(&after);
        else if (shift)
            signs.constants.emplace(shift->distance, &after);
        auto& accesses = signs.accesses.emplace_back(distances_of(pairing.updated.program(), after));
        for (const auto& [distance, count] : distances_of(pairing.baseline.program(), before))
            accesses[distance] -= count;
    }
    return signs;
}

/// Distances that functions access less often than before, where they access more often what lies `shift` behind.
std::size_t count_moved(const Signs& signs, std::int64_t shift) {
    std::set<std::int64_t> moved;
    for (const auto& accesses : signs.accesses)
        for (const auto& [distance, more] : accesses)
            if (const auto there = accesses.find(distance + shift);
                more < 0 && there != accesses.end() && there->second > 0)
                moved.insert(distance);
    return moved.size();
}

std::string by(std::int64_t shift) {
    return fmt::format("{} bytes {}", std::abs(shift), shift > 0 ? "further" : "nearer");
}

} // namespace

std::vector<Error> check_member_shifts(const Pairing& pairing, const std::set<Edge>& changed) {
    const Program& updated = pairing.updated.program();
    if (pairing.baseline.program().types() && updated.types())
        return {};
    const Signs signs = signs_in(pairing, changed);
    std::vector<Error> refusals;
    const auto refuse = [&](const Function& function, std::string what) {
        refusals.push_back(
            Error(Code::type_layout_changed, std::move(what) + "; objects of the old layout may be alive")
                .in_image(updated.path())
                .at(function.range.begin)
                .in_function(function.display_name()));
    };
    for (const auto& [shift, functions] : signs.shifted)
        if (functions.size() >= kFewestShifted)
            refuse(*functions.front(),
                   fmt::format("{} functions differ in nothing but where they expect members of objects: {}",
                               functions.size(), by(shift)));
    for (const auto& [shift, function] : signs.constants)
        if (const std::size_t moved = count_moved(signs, shift); moved >= kFewestMoved)
            refuse(*function, fmt::format("it differs in nothing but a constant, as the size of an object would, and "
                                          "changed functions expect {} members of objects just as much elsewhere: {}",
                                          moved, by(shift)));
    return refusals;
}

} // namespace suture::diff
