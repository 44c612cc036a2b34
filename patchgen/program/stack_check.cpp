#include "patchgen/program/stack_check.hpp"

#include <algorithm>

namespace suture::program {

namespace {

/// Largest code of the handler and of what it hands the frame to, in bytes; those of MSVC have up to 96.
constexpr std::uint32_t kMaxSize = 128;
/// The handler, a part that it shares with others, and what compares.
constexpr int kMaxSteps = 3;

bool has_name(const Function& function, std::string_view name) {
    return std::ranges::find(function.names, name) != function.names.end();
}

} // namespace

bool only_checks_stack(const Program& program, Rva handler) {
    const Function* function = program.function_at(handler);
    if (!function || function->range.begin != handler)
        return false;
    if (!function->names.empty())
        return has_name(*function, "__GSHandlerCheck");
    const auto cookie = program.load_config().security_cookie;
    if (!cookie)
        return false;
    for (int step = 0; step < kMaxSteps && function; ++step) {
        if (!function->decoded)
            return false;
        const Reference* leaves = nullptr;
        bool more = false;
        for (const Reference& reference : function->references) {
            if (!has_target(reference.kind) || function->range.contains(reference.target))
                continue;
            // Handlers that have a buffer of their own get here in the first step.
            if (reference.target == *cookie)
                return step != 0;
            more |= leaves != nullptr;
            leaves = &reference;
        }
        if (!leaves || more || !is_branch(leaves->kind) || function->range.size > kMaxSize)
            return false;
        function = program.function_at(leaves->target);
        if (function && function->range.begin != leaves->target)
            return false;
    }
    return false;
}

} // namespace suture::program
