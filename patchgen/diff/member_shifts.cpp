#include "patchgen/diff/member_shifts.hpp"

#include "patchgen/match/fingerprint.hpp"
#include "patchgen/program/machine_code.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <utility>

namespace suture::diff {

using program::Function;
using program::Program;

namespace {

/// Fewest functions that tell of another layout: one or two may just use other members than they did.
constexpr std::size_t kFewestShifted = 3;

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

/// By how much further one version expects the members of objects, where that is all in which the two differ.
std::optional<std::int64_t> shift_between(const Pairing& pairing, const Function& before, const Function& after) {
    const auto starts = std::pair(before.instructions.offsets(), after.instructions.offsets());
    if (!before.decoded || !after.decoded || starts.first.size() != starts.second.size())
        return std::nullopt;
    const program::MachineCode& machine = program::machine_code(pairing.updated.program().image().machine());
    const auto part = [](ByteView code, const std::vector<std::uint32_t>& offsets, std::size_t i) {
        const std::size_t end = i + 1 < offsets.size() ? offsets[i + 1] : code.size();
        return code.slice(offsets[i], end - offsets[i]);
    };
    const Bytes old_code = bare_code(pairing.baseline.program(), before);
    const Bytes new_code = bare_code(pairing.updated.program(), after);
    std::optional<std::int64_t> shift;
    for (std::size_t i = 0; i < starts.first.size(); ++i) {
        const auto a = part(old_code, starts.first, i);
        const auto b = part(new_code, starts.second, i);
        if (!a || !b)
            return std::nullopt;
        if (*a == *b)
            continue;
        const auto distance = machine.member_shift(*a, *b);
        if (!distance || (shift && *shift != *distance))
            return std::nullopt;
        shift = distance;
    }
    return shift;
}

} // namespace

std::vector<Error> check_member_shifts(const Pairing& pairing, const std::set<Edge>& changed) {
    const Program& updated = pairing.updated.program();
    if (pairing.baseline.program().types() && updated.types())
        return {};
    std::map<std::int64_t, std::vector<const Function*>> shifted;
    for (const auto& [b, u] : changed) {
        const Function& after = pairing.new_function(u);
        if (const auto shift = shift_between(pairing, pairing.old_function(b), after))
            shifted[*shift].push_back(&after);
    }
    std::vector<Error> refusals;
    for (const auto& [shift, functions] : shifted) {
        if (functions.size() < kFewestShifted)
            continue;
        const Function& first = *functions.front();
        refusals.push_back(Error(Code::type_layout_changed,
                                 fmt::format("{} functions differ in nothing but where they expect members of objects: "
                                             "{} bytes {}; objects of the old layout may be alive",
                                             functions.size(), std::abs(shift), shift > 0 ? "further" : "nearer"))
                               .in_image(updated.path())
                               .at(first.range.begin)
                               .in_function(first.display_name()));
    }
    return refusals;
}

} // namespace suture::diff
