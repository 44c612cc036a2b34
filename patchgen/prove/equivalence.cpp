#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

using program::Use;

namespace {

/// Most pairs of functions that are compared side by side: what they lead to is in memory at the same time.
constexpr std::size_t kMostWaiting = 4096;
constexpr arm64::Registers kStubRegister = 1u << 16; // the stub of a redirected function jumps through it

bool same_text_without_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string text_of(const pe::ImportSlot& slot) {
    return slot.name.empty() ? fmt::format("{}#{}", slot.dll, slot.ordinal) : fmt::format("{}!{}", slot.dll, slot.name);
}

} // namespace

Equivalence::Equivalence(const program::Program& updated, const Overlay& overlay, std::set<Rva> may_differ)
    : updated_(updated), overlay_(overlay), updated_texts_(updated.image()),
      baseline_texts_(overlay.baseline().image()), is_arm64_(updated.image().machine() == Machine::arm64),
      may_differ_(std::move(may_differ)) {
    for (const package::Replacement& function : overlay.package().manifest().functions) {
        redirected_.emplace(function.baseline, &function);
        patches_.insert(function.patch);
    }
    for (const program::Function& function : updated.functions())
        for (const program::JumpTable& table : function.jump_tables)
            tables_.emplace(table.at, &table);
    if (!is_arm64_)
        return;
    for (const pe::Relocation& field : updated.relocations()) {
        const auto target = updated.pointer_at(field.at);
        const program::Function* function = target ? updated.function_at(*target) : nullptr;
        if (function && *target != function->range.begin)
            labels_[function->range.begin].insert(*target - function->range.begin);
    }
    for (const program::Function& jumper : updated.functions())
        for (const program::Reference& reference : jumper.references) {
            if ((reference.use != Use::call && reference.use != Use::jump) || jumper.range.contains(reference.target))
                continue;
            const program::Function* function = updated.function_at(reference.target);
            if (function && reference.target != function->range.begin)
                jumped_to_[function->range.begin].insert(reference.target - function->range.begin);
        }
}

Result<void> Equivalence::prove(const Goal& goal) {
    follow(goal);
    return run();
}

void Equivalence::follow(const Goal& goal) {
    follow(goal, may_be_an_end(goal));
}

/// What is found of a goal does not depend on who has it, and holds whenever it is looked at again.
Key Equivalence::key_of(const Goal& goal) {
    const std::uint64_t form = std::uint64_t{goal.place.in_package} | std::uint64_t{goal.goes_on} << 1 |
                               std::uint64_t{static_cast<std::uint8_t>(goal.use)} << 2 |
                               std::uint64_t{goal.of_baseline} << 7 | std::uint64_t{goal.access_size} << 8;
    return {std::uint64_t{goal.updated.value} << 32 | goal.place.rva.value, std::uint64_t{goal.different} << 32 | form};
}

void Equivalence::follow(const Goal& goal, bool may_be_end) {
    if (may_be_end)
        return put_off_.push_back(goal);
    constexpr std::uint32_t kSizes = 1u << 24;
    if (goal.access_size >= kSizes || followed_.insert(key_of(goal)))
        goals_.push_back(goal);
    else
        ++counts_.references;
}

Result<void> Equivalence::run() {
    while (!goals_.empty() || !waiting_.empty()) {
        if (goals_.empty() || waiting_.size() >= kMostWaiting) {
            SUTURE_CHECK(compare_waiting());
            continue;
        }
        const Goal goal = goals_.front();
        goals_.pop_front();
        SUTURE_CHECK(settle(goal));
    }
    return {};
}

Result<void> Equivalence::prove_ends() {
    while (!put_off_.empty() || !behind_.empty() || !fronts_.empty()) {
        if (put_off_.empty() && behind_.empty()) {
            SUTURE_CHECK(prove_fronts());
            continue;
        }
        const bool ends = !put_off_.empty();
        std::vector<Goal> goals;
        goals.swap(ends ? put_off_ : behind_);
        for (const Goal& goal : goals) {
            if (ends ? !is_proved_end(goal) : !begins_elsewhere(goal))
                SUTURE_CHECK(ends ? settle(goal) : settle_behind(goal));
            SUTURE_CHECK(run());
        }
    }
    return {};
}

const program::Function* Equivalence::proved_at(Rva baseline_entry) const {
    const auto found = redirected_to_.find(baseline_entry);
    return found != redirected_to_.end() ? found->second : nullptr;
}

std::unexpected<Error> Equivalence::failed(const Goal& goal, std::string detail) const {
    Error error = Error(Code::proof_failed, std::move(detail)).in_image(updated_.path()).at(goal.at);
    if (goal.referrer)
        error.in_function(goal.referrer->display_name());
    return fail(std::move(error));
}

Result<void> Equivalence::settle(const Goal& goal) {
    ++counts_.references;
    if (const pe::ImportSlot* slot = updated_.import_at(goal.updated))
        return settle_import(goal, *slot);
    if (goal.updated.value < updated_.image().size_of_headers()) {
        if (goal.place != Place{false, goal.updated})
            return failed(goal,
                          fmt::format("it refers to the image's header, the package's code to {}", goal.place.text()));
        return {};
    }
    if (const program::Function* function = updated_.function_at(goal.updated))
        return settle_code(goal, *function);
    return settle_data(goal);
}

Result<void> Equivalence::settle_import(const Goal& goal, const pe::ImportSlot& slot) {
    const pe::ImportSlot* found = nullptr;
    if (goal.place.in_package) {
        const auto& imports = overlay_.package().imports();
        const auto at = std::ranges::find(imports, goal.place.rva, &pe::ImportSlot::slot);
        found = at != imports.end() ? &*at : nullptr;
    } else {
        found = overlay_.baseline().import_at(goal.place.rva);
    }
    if (!found)
        return failed(goal, fmt::format("it uses the import {}, the patched code what lies at {}", text_of(slot),
                                        goal.place.text()));
    if (!same_text_without_case(found->dll, slot.dll) || found->name != slot.name ||
        (slot.name.empty() && found->ordinal != slot.ordinal) || found->delayed != slot.delayed)
        return failed(goal, fmt::format("it uses the import {}, the patched code {}", text_of(slot), text_of(*found)));
    return {};
}

Result<void> Equivalence::settle_code(const Goal& goal, const program::Function& function) {
    const std::uint32_t offset = goal.updated - function.range.begin;
    if (goal.place.rva.value < offset)
        return failed(
            goal, fmt::format("{} is nothing that {} could begin before", goal.place.text(), function.display_name()));
    Place entry = goal.place - offset;
    arm64::Registers different = goal.different;
    const bool is_branch = goal.use == Use::call || goal.use == Use::jump;
    if (!is_branch) {
        // Functions are told apart by their addresses: one function has one, and that is the baseline's.
        const auto [taken, first] = taken_.emplace(goal.updated, goal.place);
        if (!first && taken->second != goal.place)
            return failed(goal, fmt::format("the address of {} is {} here and {} elsewhere", function.display_name(),
                                            goal.place.text(), taken->second.text()));
        if (entry.in_package && patches_.contains(entry.rva) && offset == 0)
            return failed(goal, fmt::format("the address of {} is that of its replacement, not that of the baseline",
                                            function.display_name()));
    }
    if (!entry.in_package) {
        const program::Function* old = overlay_.baseline().function_at(entry.rva);
        if (!old || old->range.begin != entry.rva)
            return failed(goal, fmt::format("it refers to {}, the patched code to {}, where no function begins",
                                            function.display_name(), entry.text()));
        if (const auto redirect = redirected_.find(entry.rva); redirect != redirected_.end()) {
            if (offset != 0)
                return failed(goal, fmt::format("it refers to the middle of {}, the patched code to that of {}, which "
                                                "is redirected",
                                                function.display_name(), old->display_name()));
            const auto [known, first] = redirected_to_.emplace(entry.rva, &function);
            if (!first && known->second != &function &&
                !code_pairs_.contains({known->second->range.begin, Place{true, redirect->second->patch}}))
                return failed(goal, fmt::format("{} is redirected for {} and for {}", old->display_name(),
                                                known->second->display_name(), function.display_name()));
            if (redirect->second->patch_size != function.range.size)
                return failed(goal,
                              fmt::format("the replacement of {} has {} bytes, {} has {}", old->display_name(),
                                          redirect->second->patch_size, function.display_name(), function.range.size));
            entry = {true, redirect->second->patch};
            if (is_arm64_ && is_branch)
                different |= kStubRegister;
        }
    }
    const auto [pair, first] = code_pairs_.try_emplace({function.range.begin, entry}, Entries{{{0, 0}}, {}, {}, {}, 0});
    if (first) {
        SUTURE_CHECK(note_code(goal, function, entry));
        if (const auto labels = labels_.find(function.range.begin); labels != labels_.end())
            pair->second.taken = labels->second;
        if (const auto jumped_to = jumped_to_.find(function.range.begin); jumped_to != jumped_to_.end())
            pair->second.jumped_to = jumped_to->second;
    }
    bool more = first;
    if (is_arm64_ && !is_branch && offset != 0) {
        more |= pair->second.taken.insert(offset).second;
    } else if (is_arm64_) {
        const auto [way, added] = pair->second.ways.try_emplace(offset, different);
        more |= added || (different & ~way->second) != 0;
        way->second |= different;
    }
    if (!more)
        return {};
    if (is_arm64_)
        return compare_arm64_code(function, entry, pair->second);
    waiting_.push_back({&function, entry});
    return {};
}

} // namespace suture::prove
