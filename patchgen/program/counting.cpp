#include "patchgen/program/counting.hpp"

#include "patchgen/program/machine_code.hpp"

#include <algorithm>
#include <unordered_map>

namespace suture::program {

bool Holders::has(std::uint8_t base, std::int64_t distance) const {
    return std::ranges::find(on_stack, std::pair(base, distance)) != on_stack.end();
}

bool may_count(std::size_t count, const WaysOf& ways, std::span<const std::uint32_t> cases, std::uint32_t first,
               std::uint32_t registers, const CountingStep& step) {
    std::unordered_map<std::uint32_t, std::uint32_t> held; // registers at the instructions that were reached
    std::vector<std::uint32_t> pending;
    Holders now;
    std::size_t steps = 0;
    const auto lead_to = [&](std::uint32_t index, std::uint32_t by) {
        ++steps;
        if (index >= count)
            return;
        const auto [place, reached] = held.try_emplace(index, by);
        if (!reached && (place->second | by) == place->second)
            return;
        place->second |= by;
        pending.push_back(index);
    };
    const auto lead_on = [&](std::uint32_t index) {
        const Ways on = ways(index);
        if (on.goes_on)
            lead_to(index + 1, now.registers);
        if (on.jump != Ways::kNowhere)
            lead_to(on.jump, now.registers);
        if (on.by_table)
            for (const std::uint32_t label : cases)
                lead_to(label, now.registers);
    };
    // A place on the stack that came to hold it may be read in code that has been passed.
    for (std::size_t places = ~std::size_t{0}; places != now.on_stack.size();) {
        places = now.on_stack.size();
        held.clear();
        now.registers = registers;
        lead_on(first);
        while (!pending.empty()) {
            const std::uint32_t index = pending.back();
            pending.pop_back();
            now.registers = held[index];
            if (steps > kMostSteps || now.on_stack.size() > kMostPlaces || step(index, now))
                return true;
            if (now.registers != 0 || !now.on_stack.empty())
                lead_on(index);
        }
    }
    return false;
}

std::optional<std::vector<std::uint32_t>> offsets_of_cases(const Function& function) {
    std::vector<std::uint32_t> cases;
    for (const JumpTable& table : function.jump_tables) {
        if (table.targets.size() > kMostSteps - cases.size())
            return std::nullopt;
        for (const Rva target : table.targets)
            if (function.range.contains(target))
                cases.push_back(target - function.range.begin);
    }
    std::ranges::sort(cases);
    cases.erase(std::unique(cases.begin(), cases.end()), cases.end());
    return cases;
}

bool counts_from(const Program& program, const Function& function, const Reference& reference, std::uint32_t size) {
    if (reference.use == Use::read && reference.access_size == 0)
        return true;
    if (reference.use != Use::address)
        return false;
    const auto bytes = program.image().bytes_at(function.range.begin, function.range.size);
    if (!function.decoded || !bytes)
        return true;
    const auto cases = offsets_of_cases(function);
    if (!cases)
        return true;
    const Stretch stretch{.begin = function.range.begin, .bytes = *bytes, .image_base = program.image().image_base()};
    return machine_code(program.image().machine())
        .counts_from(stretch, function.instructions.offsets(), *cases, reference.instruction, size);
}

} // namespace suture::program
