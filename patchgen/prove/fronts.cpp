#include "patchgen/program/parallel.hpp"
#include "patchgen/program/reach_back.hpp"
#include "patchgen/prove/content.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <algorithm>
#include <tuple>

// What lies in front of an address that code takes belongs to it where the code counts back from there: tables are
// gone through from their ends.

namespace suture::prove {

using program::Use;

namespace {

/// Bytes in front of an address that are looked at before the code is asked how far it gets: at least, at most.
constexpr std::uint32_t kLeastNear = 32;
constexpr std::uint32_t kMostNear = 4096;

std::span<const pe::Relocation> pointers_in(const program::Program& program, RvaRange range) {
    const auto relocations = program.relocations();
    const auto first = std::ranges::lower_bound(relocations, range.begin, {}, &pe::Relocation::at);
    const auto last =
        std::lower_bound(first, relocations.end(), range.end(),
                         [](const pe::Relocation& field, std::uint64_t end) { return field.at.value < end; });
    return {first, last};
}

bool holds_words(const program::Program& program, RvaRange range) {
    const auto word = std::ranges::lower_bound(program.address_words(), range.begin, {}, &program::AddressWord::at);
    return word != program.address_words().end() && range.contains(word->at);
}

} // namespace

std::uint32_t Equivalence::near_front(const Goal& goal) const {
    const pe::Section* section = updated_.image().section_at(goal.updated - 1);
    const program::DataObject* before = updated_.data_at(goal.updated - 1);
    const std::uint32_t wanted = std::clamp(before ? goal.updated - before->range.begin : 0, kLeastNear, kMostNear);
    return std::min({goal.updated - section->range.begin, goal.place.rva.value, wanted});
}

/// False where the bytes close in front are equal constants without addresses, or it is no address of such.
bool Equivalence::may_differ_in_front(const Goal& goal) const {
    if (goal.use != Use::address || goal.updated.value == 0 || !goal.referrer || tables_.contains(goal.updated))
        return false;
    // An address may be the end of its section.
    const pe::Section* section = updated_.image().section_at(goal.updated - 1);
    if (!section || section->writable() || section->executable())
        return false;
    const std::uint32_t near = near_front(goal);
    const Content ours(updated_.image(), {goal.updated - near, near});
    const Content theirs(overlay_, goal.place - near, near);
    return !ours.bytes() || !theirs.bytes() || *ours.bytes() != *theirs.bytes() ||
           !pointers_in(updated_, {goal.updated - near, near}).empty() ||
           holds_words(updated_, {goal.updated - near, near});
}

/// True if what lies close in front is equal but for pointers, and all that these lead to has been looked at.
bool Equivalence::is_proved_in_front(const Goal& goal) const {
    const std::uint32_t near = near_front(goal);
    const Rva begin = goal.updated - near;
    const Place place = goal.place - near;
    const auto our_bytes = updated_.image().content({begin, near});
    const auto their_bytes = overlay_.content(place, near);
    const auto fields = pointers_in(updated_, {begin, near});
    if (!our_bytes || !their_bytes || holds_words(updated_, {begin, near}))
        return false;
    Bytes ours = *our_bytes;
    Bytes theirs = *their_bytes;
    for (const pe::Relocation& field : fields) {
        const std::uint32_t offset = field.at - begin;
        const auto to = updated_.pointer_at(field.at);
        const auto there = overlay_.pointer(place + offset);
        if (!to || !there || offset + 8 > near ||
            !followed_.contains(key_of({*to, *there, Use::address, 0, nullptr, {}, 0, false, !place.in_package})))
            return false;
        std::fill_n(ours.begin() + offset, 8, std::uint8_t{0});
        std::fill_n(theirs.begin() + offset, 8, std::uint8_t{0});
    }
    return ours == theirs;
}

std::uint32_t Equivalence::bytes_in_front(const Goal& goal) const {
    const auto& references = goal.referrer->references;
    const auto reference = std::ranges::find_if(references, [&](const program::Reference& one) {
        return one.target == goal.updated && one.use == Use::address &&
               one.kind != program::ReferenceKind::arm64_page21;
    });
    if (reference == references.end())
        return 0;
    return program::bytes_in_front(updated_, program::reach_back(updated_, *goal.referrer, *reference), goal.updated);
}

Result<void> Equivalence::prove_fronts() {
    std::vector<Goal> goals;
    goals.swap(fronts_);
    const auto what = [](const Goal& goal) { return std::tuple(goal.referrer->range.begin, goal.updated, goal.place); };
    std::ranges::stable_sort(goals, {}, what);
    goals.erase(std::ranges::unique(goals, {}, what).begin(), goals.end());
    std::erase_if(goals, [&](const Goal& goal) { return is_proved_in_front(goal); });
    std::vector<std::uint32_t> sizes(goals.size());
    program::for_each_index(goals.size(), [&](std::size_t i) { sizes[i] = bytes_in_front(goals[i]); });
    for (std::size_t i = 0; i < goals.size(); ++i) {
        if (sizes[i] == 0)
            continue;
        Goal front = goals[i];
        front.updated = front.updated - sizes[i];
        front.place = front.place - sizes[i];
        front.use = Use::read;
        front.access_size = sizes[i];
        front.different = 0;
        follow(front, false);
    }
    return run();
}

} // namespace suture::prove
