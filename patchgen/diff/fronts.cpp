#include "patchgen/diff/fronts.hpp"

#include "patchgen/program/parallel.hpp"
#include "patchgen/program/reach_back.hpp"

#include <algorithm>

namespace suture::diff {

using program::Function;
using program::Reference;
using program::Use;

namespace {

/// Bytes in front of an address that are looked at before the code is asked how far it gets: up to what begins in front
/// of it, but some at least, since tables may have further addresses inside.
constexpr std::uint32_t kLeastWindow = 32;
constexpr std::uint32_t kMostWindow = 4096;

bool is_constant(const pe::Section* section) {
    return section && !section->writable() && !section->executable();
}

/// Bytes in front of both addresses, within their sections; 0 where these are not read-only.
std::uint32_t window(const Pairing& pairing, Rva baseline, Rva updated) {
    // An address may be the end of its section.
    const pe::Section* from = pairing.baseline.program().image().section_at(baseline - 1);
    const pe::Section* to = pairing.updated.program().image().section_at(updated - 1);
    if (!is_constant(from) || !is_constant(to))
        return 0;
    const program::DataObject* front = pairing.updated.program().data_at(updated - 1);
    const std::uint32_t wanted = std::clamp(front ? updated - front->range.begin : 0, kLeastWindow, kMostWindow);
    return std::min({baseline - from->range.begin, updated - to->range.begin, wanted});
}

/// Equal bytes that hold no addresses.
bool same_numbers(const Pairing& pairing, Rva baseline, Rva updated, std::uint32_t size) {
    const auto before = pairing.baseline.program().image().bytes_at(baseline - size, size);
    const auto after = pairing.updated.program().image().bytes_at(updated - size, size);
    return before && after && *before == *after && pairing.updated.relocations_in({updated - size, size}).empty() &&
           pairing.updated.words_in({updated - size, size}).empty();
}

struct Suspect {
    DifferentFront front;
    Rva baseline;
    Rva updated;
    Contents::Node node;
};

} // namespace

std::vector<DifferentFront> different_fronts(const Pairing& pairing, Contents& contents, std::span<const Edge> equal) {
    std::vector<Suspect> suspects;
    for (const Edge& edge : equal) {
        const Function& from = pairing.old_function(edge.first);
        const Function& to = pairing.new_function(edge.second);
        const std::size_t first = suspects.size();
        for (std::size_t i = 0; i < to.references.size(); ++i) {
            const Reference& before = from.references[i];
            const Reference& after = to.references[i];
            if (after.use != Use::address || after.kind == program::ReferenceKind::arm64_page21 ||
                before.target.value == 0 || after.target.value == 0)
                continue;
            // Cases are counted from the first one.
            if (pairing.updated.at(after.target).kind == match::PlaceKind::metadata)
                continue;
            const auto is_known = [&](const Suspect& one) {
                return one.baseline == before.target && one.updated == after.target;
            };
            const std::uint32_t size = window(pairing, before.target, after.target);
            if (size == 0 || same_numbers(pairing, before.target, after.target, size))
                continue;
            if (std::any_of(suspects.begin() + static_cast<std::ptrdiff_t>(first), suspects.end(), is_known))
                continue;
            const Contents::Node node = contents.ask({before.target - size, after.target - size, size, false});
            suspects.push_back({{edge, &after}, before.target, after.target, node});
        }
    }
    contents.settle();
    std::erase_if(suspects, [&](const Suspect& one) { return contents.same(one.node); });
    std::vector<std::uint32_t> sizes(suspects.size());
    program::for_each_index(suspects.size(), [&](std::size_t i) {
        const Suspect& one = suspects[i];
        const auto& updated = pairing.updated.program();
        const auto back =
            program::reach_back(updated, pairing.new_function(one.front.edge.second), *one.front.reference);
        sizes[i] = program::bytes_in_front(updated, back, one.updated);
    });
    std::vector<DifferentFront> found;
    for (std::size_t i = 0; i < suspects.size(); ++i) {
        const Suspect& one = suspects[i];
        const std::uint32_t size = sizes[i];
        const bool same = size == 0 || (one.baseline.value >= size && one.updated.value >= size &&
                                        contents.same(one.baseline - size, one.updated - size, size));
        if (!same)
            found.push_back(one.front);
    }
    return found;
}

} // namespace suture::diff
