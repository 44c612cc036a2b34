#include "engine/pe/unwind_arm64.hpp"
#include "patchgen/program/stack_check.hpp"
#include "patchgen/prove/arm64/unwind_record.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

Result<void> Equivalence::compare_arm64_unwind(const program::Function& function, const pe::RuntimeFunction& from,
                                               const pe::RuntimeFunction& to) const {
    const Goal goal{from.range.begin, {true, to.range.begin}, program::Use::call, 0, &function, from.range.begin};
    SUTURE_TRY(const auto ours, arm64::unwind_record_of(updated_.image(), from));
    SUTURE_TRY(const auto theirs, arm64::unwind_record_of(overlay_.package().image(), to));
    Bytes wanted = ours.bytes;
    const bool is_kept = handled_.contains({from.range.begin, to.range.begin});
    if (ours.has_handler && !is_kept) {
        // What only checks the stack is left out, and the bit that says that there is something.
        constexpr std::uint8_t kHasHandler = 1 << 4;
        SUTURE_TRY(const auto info, pe::unwind_info_arm64_of(updated_.image(), from));
        if (!info.handler || !program::only_checks_stack(updated_, *info.handler))
            return failed(goal, fmt::format("the exception handler of {} is not proved", goal.place.text()));
        wanted[2] &= static_cast<std::uint8_t>(~kHasHandler);
    }
    if (from.packed != to.packed || wanted != theirs.bytes || theirs.has_handler != is_kept)
        return failed(goal, fmt::format("its unwind data and that of {} differ", goal.place.text()));
    return {};
}

/// Veneers lie where the frame stands, so that the unwinder finds there what it finds at the instruction that each
/// stands for. `count`: entries of unwind data that are theirs.
Result<void> Equivalence::prove_veneer_unwind_data(std::size_t& count) const {
    const auto& entries = overlay_.package().runtime_functions();
    for (auto veneer = veneers_.begin(); veneer != veneers_.end();) {
        const auto& [at, first] = *veneer;
        const auto owner = emitted_.find(first.owner);
        if (owner == emitted_.end())
            return fail(Code::proof_failed, fmt::format("the veneer at package+0x{:x} serves no function", at.value));
        const program::Function& function = *owner->second;
        const Goal goal{function.range.begin + first.instruction, {true, at}, program::Use::jump, 0, &function,
                        function.range.begin + first.instruction};
        const auto* ours = pe::runtime_function_at(function.unwind, goal.updated);
        const auto* theirs = pe::runtime_function_at(entries, at);
        if (!ours) {
            if (theirs)
                return failed(goal, fmt::format("{} has unwind data, what it stands for has none", goal.place.text()));
            ++veneer;
            continue;
        }
        if (!theirs || theirs->range.begin != at)
            return failed(goal, fmt::format("{} has no unwind data of its own", goal.place.text()));
        // Exceptions in a veneer would not find the handler of what it stands for.
        const auto handled = handled_.lower_bound({ours->range.begin, Rva{}});
        if (handled != handled_.end() && handled->first == ours->range.begin)
            return failed(goal,
                          fmt::format("{} lies outside of what the function's handler guards", goal.place.text()));
        SUTURE_TRY(const auto frame, arm64::unwind_record_of(updated_.image(), *ours));
        // The entry covers veneers of this function and of this part of it, one behind the other.
        Rva next = at;
        for (; veneer != veneers_.end() && veneer->first == next && next.value < theirs->range.end(); ++veneer) {
            const Rva instruction = function.range.begin + veneer->second.instruction;
            if (veneer->second.owner != first.owner || !ours->range.contains(instruction))
                return failed(goal, "its veneers share unwind data with those of other code");
            const Rva offset{instruction - ours->range.begin};
            if (std::ranges::any_of(frame.frame_changes, [&](RvaRange range) { return range.contains(offset); }))
                return failed(goal, fmt::format("{} stands for an instruction of a prologue or epilogue",
                                                Place{true, veneer->first}.text()));
            next = next + veneer->second.size;
        }
        if (next.value != theirs->range.end())
            return failed(goal, fmt::format("the unwind data of {} covers more than veneers", goal.place.text()));
        const std::uint32_t size = theirs->range.size;
        SUTURE_TRY(const auto record, arm64::unwind_record_of(overlay_.package().image(), *theirs));
        const bool same = ours->packed != 0 ? theirs->packed == arm64::packed_fragment(ours->packed, size)
                                            : arm64::is_fragment_within(record, size, frame.prologue);
        if (!same)
            return failed(goal, fmt::format("the unwind data of {} is not that of {}", goal.place.text(),
                                            function.display_name()));
        ++count;
    }
    return {};
}

} // namespace suture::prove
