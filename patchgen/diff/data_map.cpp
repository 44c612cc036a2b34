#include "patchgen/diff/data_map.hpp"

#include "patchgen/diff/reach.hpp"
#include "patchgen/match/names.hpp"
#include "patchgen/match/sections.hpp"
#include "patchgen/program/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>

namespace suture::diff {

using match::Place;
using match::PlaceKind;
using program::DataObject;
using program::ReferenceKind;
using program::Use;

namespace {

constexpr std::uint32_t kNone = ~0u;
constexpr std::uint32_t kMany = ~0u - 1;
/// Most bytes between two objects that are taken for alignment.
constexpr std::uint32_t kMaxPadding = 32;
/// Largest alignment of a variable, in bytes: a line of the cache.
constexpr std::uint32_t kMaxAlignment = 64;
/// Most bytes of a variable that tell it from what lies elsewhere.
constexpr std::uint32_t kTellingBytes = 8;

void insert_sorted(std::vector<std::uint32_t>& list, std::uint32_t value) {
    const auto at = std::lower_bound(list.begin(), list.end(), value);
    if (at == list.end() || *at != value)
        list.insert(at, value);
}

std::string describe(const DataObject& object) {
    return fmt::format("{} (+0x{:x})", object.names.empty() ? "unnamed data" : object.names.front(),
                       object.range.begin.value);
}

/// Ends of the objects whose address a function takes, ascending: a reference there may mean "one behind the last".
std::vector<std::uint32_t> ends_taken(const match::Places& places, const program::Function& function) {
    std::vector<std::uint32_t> ends;
    for (const program::Reference& reference : function.references)
        if (reference.use == Use::address && reference.kind != ReferenceKind::arm64_page21)
            if (const DataObject* object = places.program().data_at(reference.target))
                ends.push_back(static_cast<std::uint32_t>(object->range.end()));
    std::ranges::sort(ends);
    return ends;
}

} // namespace

DataMap::DataMap(const match::Places& baseline, const match::Places& updated, const match::Matching& functions)
    : baseline_places_(baseline), updated_places_(updated), baseline_(baseline.program().data()),
      updated_(updated.program().data()), baseline_votes_(baseline_.size()), updated_votes_(updated_.size()),
      to_updated_(baseline_.size(), kNone), to_baseline_(updated_.size(), kNone), counterparts_(updated_.size()) {
    collect_votes(functions);
    by_names();
    by_votes();
    by_place();
    unmake_shifted();
    for (std::uint32_t u = 0; u < updated_.size(); ++u)
        if (to_baseline_[u] != kNone)
            counterparts_[u] = {Counterpart::Kind::paired, baseline_[to_baseline_[u]].range.begin, {}};
    by_enclosing_objects();
}

bool DataMap::compatible(std::uint32_t baseline, std::uint32_t updated) const {
    return baseline_[baseline].writable == updated_[updated].writable &&
           match::names_compatible(baseline_[baseline].names, updated_[updated].names);
}

bool DataMap::contradicted(std::uint32_t baseline, std::uint32_t updated) const {
    const auto lacks = [](const std::vector<std::uint32_t>& votes, std::uint32_t other) {
        return !votes.empty() && !std::binary_search(votes.begin(), votes.end(), other);
    };
    return lacks(baseline_votes_[baseline], updated) || lacks(updated_votes_[updated], baseline);
}

std::uint32_t DataMap::sole_vote(std::uint32_t baseline) const {
    const auto& votes = baseline_votes_[baseline];
    return votes.size() == 1 && updated_votes_[votes.front()].size() == 1 ? votes.front() : kNone;
}

std::uint32_t DataMap::sole_baseline_vote(std::uint32_t updated) const {
    const auto& votes = updated_votes_[updated];
    return votes.size() == 1 && baseline_votes_[votes.front()].size() == 1 ? votes.front() : kNone;
}

void DataMap::collect_votes(const match::Matching& functions) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (std::uint32_t b = 0; b < functions.to_updated.size(); ++b)
        for (const std::uint32_t u : functions.to_updated[b])
            if (functions.same_code(b, u))
                pairs.emplace_back(b, u);
    struct Votes {
        std::uint32_t voter = 0;
        std::vector<ObjectPair> objects;
    };
    program::for_each_in_order(
        pairs.size(),
        [&](std::size_t i) {
            return Votes{pairs[i].first, objects_of(pairs[i].first, pairs[i].second)};
        },
        [&](const Votes& votes) {
            for (const ObjectPair& objects : votes.objects)
                vote(objects, votes.voter);
        });
}

/// The objects that the references of two functions with the same code pair.
std::vector<DataMap::ObjectPair> DataMap::objects_of(std::uint32_t baseline, std::uint32_t updated) const {
    const program::Function& from = baseline_places_.program().functions()[baseline];
    const program::Function& to = updated_places_.program().functions()[updated];
    const auto baseline_ends = ends_taken(baseline_places_, from);
    const auto updated_ends = ends_taken(updated_places_, to);
    std::vector<ObjectPair> objects;
    for (std::size_t i = 0; i < from.references.size(); ++i) {
        const program::Reference& old_one = from.references[i];
        const program::Reference& new_one = to.references[i];
        if (old_one.kind == ReferenceKind::arm64_page21 || from.range.contains(old_one.target))
            continue;
        if (old_one.use == Use::address && (std::ranges::binary_search(baseline_ends, old_one.target.value) ||
                                            std::ranges::binary_search(updated_ends, new_one.target.value)))
            continue;
        if (const auto pair = objects_at(old_one.target, new_one.target))
            objects.push_back(*pair);
    }
    return objects;
}

/// The objects that two addresses lie in, if at the same offset.
std::optional<DataMap::ObjectPair> DataMap::objects_at(Rva baseline, Rva updated) const {
    const Place from = baseline_places_.at(baseline);
    const Place to = updated_places_.at(updated);
    if (from.kind != PlaceKind::data || to.kind != PlaceKind::data || from.offset != to.offset)
        return std::nullopt;
    return ObjectPair{from.index, to.index};
}

void DataMap::vote(ObjectPair first, std::uint32_t voter) {
    std::vector<ObjectPair> pending{first};
    while (!pending.empty()) {
        const ObjectPair objects = pending.back();
        pending.pop_back();
        const auto [seen, fresh] =
            pairs_seen_.try_emplace(std::uint64_t{objects.baseline} << 32 | objects.updated, Voters{voter, false});
        seen->second.several |= seen->second.first != voter;
        if (!fresh)
            continue;
        insert_sorted(baseline_votes_[objects.baseline], objects.updated);
        insert_sorted(updated_votes_[objects.updated], objects.baseline);
        const RvaRange old_range = baseline_[objects.baseline].range;
        const RvaRange new_range = updated_[objects.updated].range;
        const auto follow = [&](std::optional<Rva> old_target, std::optional<Rva> new_target) {
            if (const auto pair = old_target && new_target ? objects_at(*old_target, *new_target) : std::nullopt)
                pending.push_back(*pair);
        };
        for (const pe::Relocation& field : baseline_places_.relocations_in(old_range)) {
            const std::uint32_t offset = field.at - old_range.begin;
            if (offset >= new_range.size)
                break;
            follow(baseline_places_.program().pointer_at(field.at),
                   updated_places_.program().pointer_at(new_range.begin + offset));
        }
        const auto words = baseline_places_.words_in(old_range);
        const auto others = updated_places_.words_in(new_range);
        for (std::size_t i = 0; i < std::min(words.size(), others.size()); ++i) {
            if (words[i].at - old_range.begin == others[i].at - new_range.begin)
                follow(baseline_places_.program().target_of(words[i]), updated_places_.program().target_of(others[i]));
        }
    }
}

void DataMap::pair(std::uint32_t baseline, std::uint32_t updated) {
    to_updated_[baseline] = updated;
    to_baseline_[updated] = baseline;
}

void DataMap::by_names() {
    struct Seen {
        std::uint32_t baseline = kNone;
        std::uint32_t updated = kNone;
    };
    const auto note = [](std::uint32_t& slot, std::uint32_t index) {
        slot = slot == kNone || slot == index ? index : kMany;
    };
    std::unordered_map<std::string_view, Seen> seen;
    for (std::uint32_t b = 0; b < baseline_.size(); ++b)
        for (const std::string& name : baseline_[b].names)
            note(seen[name].baseline, b);
    for (std::uint32_t u = 0; u < updated_.size(); ++u)
        for (const std::string& name : updated_[u].names)
            note(seen[name].updated, u);
    for (std::uint32_t u = 0; u < updated_.size(); ++u) {
        bool absent = !updated_[u].names.empty();
        for (const std::string& name : updated_[u].names) {
            const Seen& one = seen[name];
            absent = absent && one.baseline == kNone;
            if (one.baseline < kMany && one.updated < kMany && to_updated_[one.baseline] == kNone &&
                to_baseline_[u] == kNone && baseline_[one.baseline].writable == updated_[u].writable)
                pair(one.baseline, u);
        }
        if (!absent)
            continue;
        // A name that the baseline lacks is a new object, unless references say that it is an old one renamed.
        for (const std::uint32_t b : updated_votes_[u]) {
            const auto gone = [&](const std::string& name) { return seen[name].updated == kNone; };
            if (!compatible(b, u) && updated_[u].writable && baseline_[b].writable &&
                std::all_of(baseline_[b].names.begin(), baseline_[b].names.end(), gone))
                counterparts_[u].detail = fmt::format("references say it is {} of the baseline, names say it is {}",
                                                      describe(baseline_[b]), describe(updated_[u]));
        }
        const bool family = std::any_of(updated_votes_[u].begin(), updated_votes_[u].end(),
                                        [&](std::uint32_t b) { return compatible(b, u); });
        if (counterparts_[u].detail.empty() && !family)
            counterparts_[u].kind = Counterpart::Kind::fresh;
    }
}

void DataMap::by_votes() {
    for (std::uint32_t u = 0; u < updated_.size(); ++u) {
        if (to_baseline_[u] != kNone || updated_votes_[u].empty() || !counterparts_[u].detail.empty())
            continue;
        const std::uint32_t b = updated_votes_[u].front();
        if (updated_votes_[u].size() == 1 && baseline_votes_[b].size() == 1 && to_updated_[b] == kNone &&
            compatible(b, u))
            pair(b, u);
        else
            counterparts_[u].detail = describe_votes(u);
    }
}

std::string DataMap::describe_votes(std::uint32_t updated) const {
    std::string said;
    for (const std::uint32_t b : updated_votes_[updated]) {
        said += fmt::format("{}references say it is {}", said.empty() ? "" : ", ", describe(baseline_[b]));
        for (const std::uint32_t other : baseline_votes_[b])
            if (other != updated)
                said += fmt::format(", which others say is {} of the updated image", describe(updated_[other]));
    }
    return said;
}

/// Runs of unpaired objects between the same two pairs (or the ends of a section) that have the same layout.
void DataMap::by_place() {
    const auto section_of = [](const match::Places& places, const DataObject& object) {
        return places.program().image().section_at(object.range.begin);
    };
    const auto starts_section = [&](const match::Places& places, std::span<const DataObject> list, std::uint32_t i) {
        return i == 0 || section_of(places, list[i - 1]) != section_of(places, list[i]);
    };
    for (std::uint32_t u = 0; u < updated_.size(); ++u) {
        if (to_baseline_[u] != kNone ||
            (u != 0 && to_baseline_[u - 1] == kNone && !starts_section(updated_places_, updated_, u)))
            continue;
        const pe::Section* section = section_of(updated_places_, updated_[u]);
        std::uint32_t b = kNone;
        if (!starts_section(updated_places_, updated_, u)) {
            b = to_baseline_[u - 1] + 1;
        } else if (section) {
            const auto old_section =
                match::section_like(baseline_places_.program().image(), updated_places_.program().image(), *section);
            const auto first =
                old_section ? std::lower_bound(baseline_.begin(), baseline_.end(), old_section->range.begin,
                                               [](const DataObject& object, Rva at) { return object.range.begin < at; })
                            : baseline_.end();
            if (first != baseline_.end() && old_section->range.contains(first->range.begin))
                b = static_cast<std::uint32_t>(first - baseline_.begin());
        }
        if (b == kNone)
            continue;
        std::uint32_t length = 0;
        while (u + length < updated_.size() && to_baseline_[u + length] == kNone &&
               (length == 0 || !starts_section(updated_places_, updated_, u + length)))
            ++length;
        std::uint32_t old_length = 0;
        while (b + old_length < baseline_.size() && to_updated_[b + old_length] == kNone &&
               (old_length == 0 || !starts_section(baseline_places_, baseline_, b + old_length)))
            ++old_length;
        bool same = length == old_length;
        for (std::uint32_t i = 0; same && i < length; ++i)
            same = updated_[u + i].range.size == baseline_[b + i].range.size && compatible(b + i, u + i) &&
                   !contradicted(b + i, u + i) && counterparts_[u + i].detail.empty() &&
                   counterparts_[u + i].kind != Counterpart::Kind::fresh &&
                   updated_[u + i].names.empty() == baseline_[b + i].names.empty();
        if (same)
            for (std::uint32_t i = 0; i < length; ++i)
                pair(b + i, u + i);
    }
}

/// Without a name, an address that lies further behind its neighbour than in the baseline may be another place inside
/// of the neighbour rather than a variable that moved, and code with equal bytes then means something else. Only
/// alignment moves one and not the other. Likewise where the place that the variable had between its neighbours is
/// still there, or the one that it has was there before. Whatever nothing can reach by counting from elsewhere may lie
/// anywhere.
void DataMap::unmake_shifted() {
    std::vector<std::pair<std::uint32_t, std::string>> doubted;
    const auto behind = neighbours(to_updated_, baseline_places_);
    const auto updated_behind = neighbours(to_baseline_, updated_places_);
    for (std::uint32_t u = 0; u < updated_.size(); ++u) {
        const std::uint32_t b = to_baseline_[u];
        if (b == kNone || !updated_[u].writable || !updated_[u].names.empty() || !baseline_[b].names.empty())
            continue;
        std::string why = shifted(b, u);
        // Several functions agree, and what lies behind moved along: then something else in between came or went.
        const auto voters = pairs_seen_.find(std::uint64_t{b} << 32 | u);
        if (!why.empty() && voters != pairs_seen_.end() && voters->second.several && moves_along(b, u, behind))
            why.clear();
        if (why.empty() && stays(behind, b, to_updated_, updated_behind, baseline_places_, updated_places_))
            why = "what lies around its place in the baseline lies around such a place still";
        if (why.empty() && stays(updated_behind, u, to_baseline_, behind, updated_places_, baseline_places_))
            why = "what lies around it lay around such a place in the baseline";
        if (!why.empty())
            doubted.emplace_back(u, std::move(why));
    }
    if (doubted.empty())
        return;
    const Reach reach(baseline_places_);
    const Reach updated_reach(updated_places_);
    std::erase_if(doubted, [&](const auto& one) {
        const std::uint32_t b = to_baseline_[one.first];
        return (!reach.from_before(b) && !updated_reach.from_before(one.first)) || tells_by_content(b, one.first);
    });
    for (auto& [u, why] : doubted) {
        counterparts_[u].detail = std::move(why);
        to_updated_[to_baseline_[u]] = kNone;
        to_baseline_[u] = kNone;
    }
}

/// How a pair moved with respect to the pair that lies before it in both images, unless alignment explains it.
std::string DataMap::shifted(std::uint32_t baseline, std::uint32_t updated) const {
    if (baseline == 0 || updated == 0 || to_baseline_[updated - 1] != baseline - 1 ||
        updated_[updated - 1].size_known || baseline_[baseline - 1].size_known)
        return {};
    const pe::Image& image = updated_places_.program().image();
    const pe::Image& old_image = baseline_places_.program().image();
    const Rva at = updated_[updated].range.begin;
    const Rva old_at = baseline_[baseline].range.begin;
    const Rva before = updated_[updated - 1].range.begin;
    const Rva old_before = baseline_[baseline - 1].range.begin;
    if (image.section_at(at) != image.section_at(before) ||
        old_image.section_at(old_at) != old_image.section_at(old_before))
        return {};
    const std::uint32_t distance = at - before;
    const std::uint32_t old_distance = old_at - old_before;
    const std::uint32_t alignment =
        std::min(kMaxAlignment, std::uint32_t{1} << std::countr_zero(at.value | old_at.value | kMaxAlignment));
    const std::uint32_t shift = std::max(distance, old_distance) - std::min(distance, old_distance);
    if (shift == 0 || (shift < alignment && before.value % alignment != old_before.value % alignment))
        return {};
    return fmt::format("it lies 0x{:x} bytes behind what is before it, and lay 0x{:x} behind it", distance,
                       old_distance);
}

/// True if the next pair behind lies as far behind in both images, but for alignment, or if there is none in either.
bool DataMap::moves_along(std::uint32_t baseline, std::uint32_t updated, const Neighbours& neighbours) const {
    const std::uint32_t next = neighbours.behind[baseline];
    if (next == kNone)
        return updated + 1 == updated_.size() ||
               updated_places_.program().image().section_at(updated_[updated + 1].range.begin) !=
                   updated_places_.program().image().section_at(updated_[updated].range.begin);
    return next == baseline + 1 && to_updated_[next] == updated + 1 && shifted(next, updated + 1).empty();
}

/// For each object, the next one with a counterpart in its section on either side, or none.
DataMap::Neighbours DataMap::neighbours(const std::vector<std::uint32_t>& counterparts, const match::Places& places) {
    const auto data = places.program().data();
    const auto size = static_cast<std::uint32_t>(data.size());
    const pe::Image& image = places.program().image();
    Neighbours result{std::vector<std::uint32_t>(size, kNone), std::vector<std::uint32_t>(size, kNone)};
    std::vector<const pe::Section*> sections(size);
    for (std::uint32_t i = 0; i < size; ++i)
        sections[i] = i != 0 && sections[i - 1] && sections[i - 1]->range.contains(data[i].range.begin)
                          ? sections[i - 1]
                          : image.section_at(data[i].range.begin);
    for (std::uint32_t i = 1; i < size; ++i)
        if (sections[i] == sections[i - 1])
            result.before[i] = counterparts[i - 1] != kNone ? i - 1 : result.before[i - 1];
    for (std::uint32_t i = size; i-- > 1;)
        if (sections[i] == sections[i - 1])
            result.behind[i - 1] = counterparts[i] != kNone ? i : result.behind[i];
    return result;
}

/// True if the two neighbours of an object lie beside each other in the other image, as far apart as they do here: the
/// place between them is still there, and the object's counterpart is not in it.
bool DataMap::stays(const Neighbours& here, std::uint32_t object, const std::vector<std::uint32_t>& counterparts,
                    const Neighbours& there, const match::Places& places, const match::Places& other) {
    const std::uint32_t before = here.before[object];
    const std::uint32_t behind = here.behind[object];
    if (before == kNone || behind == kNone)
        return false;
    const std::uint32_t first = counterparts[before];
    const std::uint32_t second = counterparts[behind];
    const auto data = places.program().data();
    const auto others = other.program().data();
    return there.behind[first] == second && others[second].range.begin - others[first].range.begin ==
                                                data[behind].range.begin - data[before].range.begin;
}

/// True if what the variable starts as is not what is found where it would be if only its neighbours had moved.
bool DataMap::tells_by_content(std::uint32_t baseline, std::uint32_t updated) const {
    if (baseline == 0 || updated == 0)
        return false;
    const std::uint32_t size = std::min({baseline_[baseline].range.size, updated_[updated].range.size, kTellingBytes});
    const auto differs = [size](const match::Places& own, Rva at, const match::Places& other, Rva there) {
        const RvaRange before{at, size};
        const RvaRange after{there, size};
        if (!own.relocations_in(before).empty() || !other.relocations_in(after).empty())
            return false;
        const auto a = own.program().image().content(before);
        const auto b = other.program().image().content(after);
        return a && b && *a != *b;
    };
    // From what lies before it in the baseline, and from what lies before it in the updated image.
    const std::uint32_t first = to_updated_[baseline - 1];
    const std::uint32_t second = to_baseline_[updated - 1];
    const Rva at = baseline_[baseline].range.begin;
    const Rva new_at = updated_[updated].range.begin;
    if (first == kNone || second == kNone)
        return false;
    return differs(baseline_places_, at, updated_places_,
                   updated_[first].range.begin + (at - baseline_[baseline - 1].range.begin)) &&
           differs(updated_places_, new_at, baseline_places_,
                   baseline_[second].range.begin + (new_at - updated_[updated - 1].range.begin));
}

void DataMap::by_enclosing_objects() {
    const pe::Image& image = updated_places_.program().image();
    // The next pair behind each object in its section, or the number of objects.
    const auto size = static_cast<std::uint32_t>(updated_.size());
    std::vector<std::uint32_t> next(size, size);
    for (std::uint32_t u = size; u-- > 1;)
        if (image.section_at(updated_[u - 1].range.begin) == image.section_at(updated_[u].range.begin))
            next[u - 1] = to_baseline_[u] != kNone ? u : next[u];
    std::uint32_t before = kNone;
    bool in_fresh = false;
    for (std::uint32_t u = 0; u < size; ++u) {
        if (u != 0 && image.section_at(updated_[u - 1].range.begin) != image.section_at(updated_[u].range.begin)) {
            before = kNone;
            in_fresh = false;
        }
        Counterpart& own = counterparts_[u];
        if (to_baseline_[u] != kNone) {
            before = u;
            in_fresh = false;
        } else if (!updated_[u].names.empty()) {
            in_fresh = own.kind == Counterpart::Kind::fresh;
            if (own.kind == Counterpart::Kind::unknown && own.detail.empty())
                own.detail = fmt::format("several data objects are called {}", updated_[u].names.front());
        } else if (own.detail.empty()) {
            if (in_fresh)
                own.kind = Counterpart::Kind::fresh; // inside of what is new
            else if (before == kNone)
                own.detail = "no data before it has a known counterpart";
            else
                by_enclosing_object(u, before, next[u]);
        }
    }
}

/// An unnamed address that only the updated code refers to directly, behind the pair `before` and before the pair
/// `after` (or the end of the section). Proved by the distance between those two, which must not have changed.
void DataMap::by_enclosing_object(std::uint32_t updated, std::uint32_t before, std::uint32_t after) {
    Counterpart& result = counterparts_[updated];
    const RvaRange range = updated_[updated].range;
    const std::uint32_t old_before = to_baseline_[before];
    const RvaRange old_range = baseline_[old_before].range;
    const Rva begin = updated_[before].range.begin;
    const pe::Section* section = updated_places_.program().image().section_at(begin);
    const pe::Section* old_section = baseline_places_.program().image().section_at(old_range.begin);
    if (!section || !old_section)
        return;
    const std::uint32_t distance = range.begin - begin;
    const bool at_end = after == updated_.size();
    const std::uint64_t room = (at_end ? section->range.end() : updated_[after].range.begin.value) - begin.value;
    const Rva old_end =
        at_end ? Rva{static_cast<std::uint32_t>(old_section->range.end())} : baseline_[to_baseline_[after]].range.begin;
    if (old_end <= old_range.begin || !old_section->range.contains(old_end - 1)) {
        result.detail = fmt::format("it lies between {} and another object that were not in this order in the baseline",
                                    describe(updated_[before]));
        return;
    }
    const std::uint32_t old_room = old_end - old_range.begin;
    if (room == old_room && distance < old_room) {
        result = {Counterpart::Kind::paired, old_range.begin + distance, {}};
        return;
    }
    // Behind all that the object before it holds in the baseline, where nothing lies between the two neighbours.
    const bool adjoining = old_range.end() + kMaxPadding >= old_end.value;
    if (adjoining && distance >= old_range.size && room >= std::uint64_t{old_room} + range.size) {
        result.kind = Counterpart::Kind::fresh;
        return;
    }
    result.detail = fmt::format("it lies 0x{:x} bytes behind {}, in 0x{:x} bytes that were 0x{:x} in the baseline",
                                distance, describe(updated_[before]), room, old_room);
}

} // namespace suture::diff
