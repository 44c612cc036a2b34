#include "patchgen/diff/handlers.hpp"

#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"
#include "patchgen/program/field_reader.hpp"
#include "patchgen/program/handler_data.hpp"
#include "patchgen/program/stack_check.hpp"

#include <algorithm>

namespace suture::diff {

using program::HandlerField;
using program::HandlerForm;

std::vector<HandlerEntry> handlers_of(const program::Program& program, const program::Function& function) {
    const bool arm64 = program.image().machine() == Machine::arm64;
    std::vector<HandlerEntry> handlers;
    const auto add = [&](const pe::RuntimeFunction& entry, const auto& info) {
        if (info && info->handler && !program::only_checks_stack(program, *info->handler))
            handlers.push_back({entry, *info->handler, info->handler_data});
    };
    for (const pe::RuntimeFunction& entry : function.unwind)
        if (arm64)
            add(entry, pe::unwind_info_arm64_of(program.image(), entry));
        else
            add(entry, pe::unwind_info_at(program.image(), entry.unwind_info));
    return handlers;
}

HandlerTargets::HandlerTargets(const program::Program& program) {
    std::uint64_t left = program::kMaxFields;
    for (std::uint32_t index = 0; index < program.functions().size(); ++index) {
        const program::Function& function = program.functions()[index];
        std::vector<Rva> all, tied;
        for (const HandlerEntry& entry : handlers_of(program, function)) {
            const HandlerForm form = program::form_of_handler(program, entry.handler);
            if (form == HandlerForm::unknown)
                continue;
            const auto content = program::handler_data_of(program, form, entry.function, entry.data, left);
            if (!content)
                continue;
            for (const HandlerField& field : content->fields) {
                const program::Function* other =
                    field.kind == HandlerField::Kind::code ? program.function_at(field.target) : nullptr;
                if (!other || other == &function || other->range.begin != field.target)
                    continue;
                all.push_back(field.target);
                if (form == HandlerForm::frame_handler_3)
                    tied.push_back(field.target);
            }
        }
        if (!all.empty())
            all_.emplace_back(index, std::move(all));
        if (!tied.empty())
            tied_.emplace_back(index, std::move(tied));
    }
}

std::span<const Rva> HandlerTargets::targets_of(const Targets& targets, std::uint32_t function) {
    const auto next = std::ranges::lower_bound(targets, function, {}, &Targets::value_type::first);
    return next != targets.end() && next->first == function ? std::span<const Rva>(next->second)
                                                            : std::span<const Rva>();
}

} // namespace suture::diff
