#include "engine/pe/unwind_x64.hpp"
#include "patchgen/program/stack_check.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

namespace {

// Chained entries: compilers make two or three; a circle must not hang.
constexpr int kMaxChain = 32;

bool same_codes(const pe::UnwindInfo& a, const pe::UnwindInfo& b) {
    constexpr std::uint8_t kHandlers = 3;
    const std::uint8_t flags = b.handler ? a.flags : static_cast<std::uint8_t>(a.flags & ~kHandlers);
    return a.version == b.version && flags == b.flags && a.prolog_size == b.prolog_size &&
           a.frame_register == b.frame_register && a.frame_offset == b.frame_offset &&
           std::ranges::equal(a.codes, b.codes, [](const pe::UnwindCode& x, const pe::UnwindCode& y) {
               return x.prolog_offset == y.prolog_offset && x.operation == y.operation && x.info == y.info &&
                      x.operand == y.operand;
           });
}

} // namespace

Result<void> Equivalence::compare_unwind(const program::Function& function, const pe::RuntimeFunction& from,
                                         const pe::RuntimeFunction& to) const {
    const Goal goal{from.range.begin, {true, to.range.begin}, program::Use::call, 0, &function, from.range.begin};
    std::optional<pe::RuntimeFunction> ours = from;
    std::optional<pe::RuntimeFunction> theirs = to;
    for (int i = 0; ours && theirs; ++i) {
        SUTURE_TRY(const pe::UnwindInfo a, pe::unwind_info_at(updated_.image(), ours->unwind_info));
        SUTURE_TRY(const pe::UnwindInfo b, pe::unwind_info_at(overlay_.package().image(), theirs->unwind_info));
        const bool is_kept = a.handler && !program::only_checks_stack(updated_, *a.handler);
        const bool is_proved = handled_.contains({ours->range.begin, theirs->range.begin});
        if (i == kMaxChain || !same_codes(a, b) || b.handler.has_value() != is_kept || is_kept != is_proved ||
            a.chained.has_value() != b.chained.has_value())
            return failed(goal, fmt::format("its unwind data and that of {} differ", goal.place.text()));
        ours = a.chained;
        theirs = b.chained;
        if (!ours)
            break;
        const program::Function* parent = updated_.function_at(ours->range.begin);
        const bool same =
            parent && std::ranges::any_of(emitted_, [&](const auto& emitted) {
                return emitted.second == parent &&
                       theirs->range ==
                           RvaRange{emitted.first + (ours->range.begin - parent->range.begin), ours->range.size};
            });
        if (!same)
            return failed(goal,
                          fmt::format("the unwind data of {} continues that of another function", goal.place.text()));
    }
    return {};
}

Result<void> Equivalence::prove_unwind_data() const {
    const auto& entries = overlay_.package().runtime_functions();
    std::size_t used = 0;
    for (const auto& [at, function] : emitted_) {
        for (const pe::RuntimeFunction& entry : function->unwind) {
            const RvaRange range{at + (entry.range.begin - function->range.begin), entry.range.size};
            const auto found = std::ranges::find(entries, range, &pe::RuntimeFunction::range);
            if (found == entries.end())
                return failed({entry.range.begin, {true, at}, program::Use::call, 0, function, entry.range.begin},
                              fmt::format("package+0x{:x} has no unwind data", range.begin.value));
            SUTURE_CHECK(is_arm64_ ? compare_arm64_unwind(*function, entry, *found)
                                   : compare_unwind(*function, entry, *found));
            ++used;
        }
    }
    SUTURE_CHECK(prove_veneer_unwind_data(used));
    if (used != entries.size())
        return fail(Code::proof_failed,
                    fmt::format("{} entries of unwind data for functions that have {}", entries.size(), used));
    return {};
}

} // namespace suture::prove
