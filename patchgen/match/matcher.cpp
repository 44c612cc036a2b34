#include "patchgen/match/matcher.hpp"

#include "patchgen/match/code_numbers.hpp"
#include "patchgen/match/fingerprint.hpp"
#include "patchgen/match/names.hpp"
#include "patchgen/program/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

namespace suture::match {

using program::Use;

namespace {

constexpr std::uint32_t kNone = ~0u;
/// Fewest bytes of text that are no accident.
constexpr std::size_t kMinText = 4;

std::uint64_t pair_key(std::uint32_t a, std::uint32_t b) {
    return std::uint64_t{a} << 32 | b;
}

void insert_sorted(std::vector<std::uint32_t>& list, std::uint32_t value) {
    const auto at = std::lower_bound(list.begin(), list.end(), value);
    if (at == list.end() || *at != value)
        list.insert(at, value);
}

/// Where one key occurs on each side: kNone nowhere, kMany more than once.
struct Seen {
    static constexpr std::uint32_t kMany = ~0u - 1;
    std::uint32_t baseline = kNone;
    std::uint32_t updated = kNone;

    static void note(std::uint32_t& slot, std::uint32_t index) {
        slot = slot == kNone || slot == index ? index : kMany;
    }
    bool unique() const { return baseline < kMany && updated < kMany; }
};

std::vector<Digest> fingerprints_of(const program::Program& program) {
    const auto functions = program.functions();
    std::vector<Digest> digests(functions.size());
    program::for_each_index(functions.size(),
                            [&](std::size_t i) { digests[i] = fingerprint_of(program, functions[i]); });
    return digests;
}

class Matcher {
  public:
    Matcher(const Places& baseline, const Places& updated)
        : baseline_places_(baseline), updated_places_(updated), baseline_(baseline.program().functions()),
          updated_(updated.program().functions()), baseline_votes_(baseline_.size()), updated_votes_(updated_.size()) {
        result_.to_updated.resize(baseline_.size());
        result_.to_baseline.resize(updated_.size());
        result_.baseline_fingerprints = fingerprints_of(baseline.program());
        result_.updated_fingerprints = fingerprints_of(updated.program());
        CodeNumbers numbers(baseline_.size() + updated_.size());
        baseline_code_ = numbers.of(result_.baseline_fingerprints);
        updated_code_ = numbers.of(result_.updated_fingerprints);
        code_count_ = numbers.count();
        left_of_baseline_.resize(baseline_.size());
        left_of_updated_.resize(updated_.size());
        std::iota(left_of_baseline_.begin(), left_of_baseline_.end(), 0u);
        std::iota(left_of_updated_.begin(), left_of_updated_.end(), 0u);
    }

    Matching run() {
        by_exports();
        by_names();
        by_fingerprints();
        // Each step that pairs something may make the earlier ones see more.
        do {
            do
                propagate();
            while (by_fingerprints() || by_meaning() || by_neighbours());
        } while (by_remaining_names() || by_folding() || by_enclosed_tables() || by_enclosed_gaps());
        note_conflicts();
        return std::move(result_);
    }

  private:
    bool free_baseline(std::uint32_t b) const { return result_.to_updated[b].empty(); }
    bool free_updated(std::uint32_t u) const { return result_.to_baseline[u].empty(); }
    bool compatible(std::uint32_t b, std::uint32_t u) const {
        return names_compatible(baseline_[b].names, updated_[u].names);
    }

    /// Most functions are paired early, and stay so.
    void leave_out_pairs() {
        std::erase_if(left_of_baseline_, [&](std::uint32_t b) { return !free_baseline(b); });
        std::erase_if(left_of_updated_, [&](std::uint32_t u) { return !free_updated(u); });
    }

    void relate(std::uint32_t b, std::uint32_t u) {
        if (result_.related(b, u))
            return;
        insert_sorted(result_.to_updated[b], u);
        insert_sorted(result_.to_baseline[u], b);
        fresh_.emplace_back(b, u);
    }

    bool relate_if_free(std::uint32_t b, std::uint32_t u) {
        if (!free_baseline(b) || !free_updated(u) || !compatible(b, u))
            return false;
        relate(b, u);
        return true;
    }

    /// What the loader and other images call by name or position is the same by definition.
    void by_exports() {
        const auto& from = baseline_places_.program();
        const auto& to = updated_places_.program();
        std::map<std::pair<std::string, std::uint32_t>, std::pair<Rva, Rva>> entries;
        const auto key = [](const pe::Export& one) {
            return one.name.empty() ? std::pair(std::string{}, one.ordinal) : std::pair(one.name, std::uint32_t{0});
        };
        for (const pe::Export& one : from.exports())
            if (one.forwarder.empty())
                entries[key(one)].first = one.rva;
        for (const pe::Export& one : to.exports())
            if (const auto found = entries.find(key(one)); one.forwarder.empty() && found != entries.end())
                found->second.second = one.rva;
        entries[{"", 0}] = {from.image().entry_point(), to.image().entry_point()};
        for (const auto& [name, rvas] : entries)
            if (const auto [b, u] = functions_at(rvas.first, rvas.second); b != kNone)
                relate(b, u);
    }

    /// The functions that begin at both addresses, or kNone for both.
    std::pair<std::uint32_t, std::uint32_t> functions_at(Rva b, Rva u) const {
        const Place from = baseline_places_.at(b);
        const Place to = updated_places_.at(u);
        if (from.kind != PlaceKind::function || to.kind != PlaceKind::function || from.offset != 0 || to.offset != 0)
            return {kNone, kNone};
        return {from.index, to.index};
    }

    /// Names that occur once on each side. Folded code gives one function several counterparts here.
    void by_names() {
        std::unordered_map<std::string_view, Seen> seen;
        for (std::uint32_t b = 0; b < baseline_.size(); ++b)
            for (const std::string& name : baseline_[b].names)
                Seen::note(seen[name].baseline, b);
        for (std::uint32_t u = 0; u < updated_.size(); ++u)
            for (const std::string& name : updated_[u].names)
                if (const auto found = seen.find(name); found != seen.end())
                    Seen::note(found->second.updated, u);
        for (std::uint32_t b = 0; b < baseline_.size(); ++b)
            for (const std::string& name : baseline_[b].names)
                if (const Seen& one = seen[name]; one.unique())
                    relate(one.baseline, one.updated);
    }

    /// Fingerprints, and names with fingerprints, that occur once on each side among what is free.
    bool by_fingerprints() {
        leave_out_pairs();
        std::vector<Seen> seen(code_count_);
        std::unordered_map<std::string, Seen> named;
        const auto named_key = [](const Digest& digest, const std::string& name) {
            return std::string(digest.bytes.begin(), digest.bytes.end()) + name;
        };
        for (const std::uint32_t b : left_of_baseline_) {
            Seen::note(seen[baseline_code_[b]].baseline, b);
            for (const std::string& name : baseline_[b].names)
                Seen::note(named[named_key(result_.baseline_fingerprints[b], name)].baseline, b);
        }
        for (const std::uint32_t u : left_of_updated_) {
            Seen::note(seen[updated_code_[u]].updated, u);
            for (const std::string& name : updated_[u].names)
                Seen::note(named[named_key(result_.updated_fingerprints[u], name)].updated, u);
        }
        bool paired = false;
        for (const std::uint32_t b : left_of_baseline_) {
            if (!free_baseline(b))
                continue;
            for (const std::string& name : baseline_[b].names)
                if (const Seen& one = named[named_key(result_.baseline_fingerprints[b], name)]; one.unique())
                    paired |= relate_if_free(one.baseline, one.updated);
            if (const Seen& one = seen[baseline_code_[b]]; one.unique())
                paired |= relate_if_free(one.baseline, one.updated);
        }
        return paired;
    }

    /// The i-th references of two functions with the same code lead to the same thing, unless other evidence disagrees.
    void propagate() {
        while (!fresh_.empty()) {
            std::vector<std::pair<std::uint32_t, std::uint32_t>> touched;
            const auto fresh = std::exchange(fresh_, {});
            program::for_each_in_order(
                fresh.size(), [&](std::size_t i) { return led_to(fresh[i].first, fresh[i].second); },
                [&](const std::vector<PlacePair>& led) {
                    for (const auto& [from, to] : led)
                        vote(from, to, touched);
                });
            relate_touched(touched);
        }
    }

    using PlacePair = std::pair<Place, Place>;

    /// What the i-th references of two functions with the same code lead to, where that may speak for something.
    std::vector<PlacePair> led_to(std::uint32_t b, std::uint32_t u) const {
        std::vector<PlacePair> led;
        for (std::size_t i = 0; result_.same_code(b, u) && i < baseline_[b].references.size(); ++i) {
            const program::Reference& reference = baseline_[b].references[i];
            const RvaRange range = baseline_[b].range;
            if (reference.kind == program::ReferenceKind::arm64_page21 ||
                (range.contains(reference.target) && reference.target != range.begin))
                continue;
            const Place from = baseline_places_.at(reference.target);
            const Place to = updated_places_.at(updated_[u].references[i].target);
            if (speaks(from, to))
                led.emplace_back(from, to);
        }
        return led;
    }

    static bool speaks(const Place& from, const Place& to) {
        return from.kind == to.kind && from.offset == to.offset &&
               ((from.kind == PlaceKind::function && from.offset == 0) || from.kind == PlaceKind::data);
    }

    using Touched = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

    bool relate_touched(Touched& touched) {
        bool paired = false;
        std::sort(touched.begin(), touched.end());
        for (const auto& [b, u] : touched)
            if (baseline_votes_[b].size() == 1 && updated_votes_[u].size() == 1)
                paired |= relate_if_free(b, u);
        return paired;
    }

    /// Tables of pointers that only changed functions refer to, between two pieces of data that references pair: their
    /// pointers speak for functions as others do.
    bool by_enclosed_tables() {
        const program::Program& from = baseline_places_.program();
        const program::Program& to = updated_places_.program();
        std::vector<std::uint32_t> to_updated(from.data().size(), kNone);
        std::vector<std::uint32_t> to_baseline(to.data().size(), kNone);
        for (const std::uint64_t key : objects_) {
            const auto b = static_cast<std::uint32_t>(key >> 32);
            const auto u = static_cast<std::uint32_t>(key);
            Seen::note(to_updated[b], u);
            Seen::note(to_baseline[u], b);
        }
        const auto paired = [&](std::uint32_t b, std::uint32_t u) { return to_updated[b] == u && to_baseline[u] == b; };
        Touched touched;
        for (std::uint32_t b = 1; b + 1 < to_updated.size(); ++b) {
            const std::uint32_t before = to_updated[b - 1];
            if (to_updated[b] != kNone || from.data()[b].writable || before >= Seen::kMany ||
                before + 2 >= to_baseline.size() || to_baseline[before + 1] != kNone || !paired(b - 1, before) ||
                !paired(b + 1, before + 2) || to.data()[before + 1].writable ||
                from.data()[b].range.size != to.data()[before + 1].range.size ||
                baseline_places_.relocations_in(from.data()[b].range).empty())
                continue;
            const Place one = baseline_places_.at(from.data()[b].range.begin);
            const Place other = updated_places_.at(to.data()[before + 1].range.begin);
            if (speaks(one, other))
                vote(one, other, touched);
        }
        return relate_touched(touched);
    }

    /// For two places that speak for something, and for all that pointers there lead to.
    void vote(Place from, Place to, Touched& touched) {
        std::vector<std::pair<Rva, Rva>> pending;
        for (;;) {
            if (from.kind == PlaceKind::function) {
                insert_sorted(baseline_votes_[from.index], to.index);
                insert_sorted(updated_votes_[to.index], from.index);
                touched.emplace_back(from.index, to.index);
            } else if (objects_.size() < object_limit() && objects_.insert(pair_key(from.index, to.index)).second) {
                pointers_of(from.index, to.index, pending);
            }
            do {
                if (pending.empty())
                    return;
                from = baseline_places_.at(pending.back().first);
                to = updated_places_.at(pending.back().second);
                pending.pop_back();
            } while (!speaks(from, to));
        }
    }

    std::size_t object_limit() const {
        return 4 * (baseline_places_.program().data().size() + updated_places_.program().data().size());
    }

    /// Pointers at the same offsets of two objects.
    void pointers_of(std::uint32_t b, std::uint32_t u, std::vector<std::pair<Rva, Rva>>& pending) const {
        const program::Program& from = baseline_places_.program();
        const program::Program& to = updated_places_.program();
        const RvaRange from_range = from.data()[b].range;
        const RvaRange to_range = to.data()[u].range;
        const auto fields = baseline_places_.relocations_in(from_range);
        for (const pe::Relocation& field : fields) {
            const std::uint32_t offset = field.at - from_range.begin;
            if (offset >= to_range.size)
                break;
            const auto from_target = from.pointer_at(field.at);
            const auto to_target = to.pointer_at(to_range.begin + offset);
            if (from_target && to_target)
                pending.emplace_back(*from_target, *to_target);
        }
    }

    /// Functions with the same code that what is known of their references tells apart: wherever they lie.
    bool by_meaning() {
        leave_out_pairs();
        std::vector<std::uint32_t> counts(code_count_); // free functions of either image
        for (const std::uint32_t b : left_of_baseline_)
            ++counts[baseline_code_[b]];
        for (const std::uint32_t u : left_of_updated_)
            ++counts[updated_code_[u]];
        std::vector<std::uint32_t> from, to;
        std::ranges::copy_if(left_of_baseline_, std::back_inserter(from),
                             [&](std::uint32_t b) { return counts[baseline_code_[b]] > 2; });
        std::ranges::copy_if(left_of_updated_, std::back_inserter(to),
                             [&](std::uint32_t u) { return counts[updated_code_[u]] > 2; });
        std::vector<Meaning> meanings(from.size() + to.size());
        program::for_each_index(meanings.size(), [&](std::size_t i) {
            const bool updated = i >= from.size();
            meanings[i] = meaning_of(updated ? to[i - from.size()] : from[i], updated);
        });
        std::unordered_map<std::uint64_t, Seen> seen;
        seen.reserve(meanings.size());
        for (std::size_t i = 0; i < from.size(); ++i)
            Seen::note(seen[meanings[i].hash].baseline, from[i]);
        for (std::size_t i = 0; i < to.size(); ++i)
            Seen::note(seen[meanings[from.size() + i].hash].updated, to[i]);
        bool paired = false;
        for (std::size_t i = 0; i < from.size(); ++i) {
            if (!free_baseline(from[i]))
                continue;
            // Pairs that this made meanwhile tell more.
            const bool outdated = paired && meanings[i].may_grow;
            const Seen& one = seen[outdated ? meaning_of(from[i], false).hash : meanings[i].hash];
            if (one.unique() && result_.same_code(one.baseline, one.updated) &&
                !contradicted(one.baseline, one.updated))
                paired |= relate_if_free(one.baseline, one.updated);
        }
        return paired;
    }

    static std::uint64_t mixed(std::uint64_t state, std::uint64_t value) {
        // An odd factor with bits all over: 2^64 divided by the golden ratio.
        state = (state ^ value) * 0x9e37'79b9'7f4a'7c15;
        return state ^ state >> 29;
    }

    struct Meaning {
        std::uint64_t hash = 0;
        bool may_grow = false; ///< it refers to functions that are in no pair yet
    };

    /// A hash of a function's code and of what its references lead to, as far as that is the same in both images where
    /// it means the same: functions that are paired, imports by name, text, constants that are read.
    Meaning meaning_of(std::uint32_t index, bool updated) const {
        const Places& places = updated ? updated_places_ : baseline_places_;
        const auto& fingerprints = updated ? result_.updated_fingerprints : result_.baseline_fingerprints;
        Meaning meaning{DigestHash{}(fingerprints[index])};
        for (const program::Reference& reference : places.program().functions()[index].references) {
            if (!program::has_target(reference.kind))
                continue;
            const std::uint64_t one = meaning_of(reference, places, updated);
            meaning.hash = mixed(meaning.hash, one);
            if (one == 0 && !meaning.may_grow)
                meaning.may_grow = places.at(reference.target).kind == PlaceKind::function;
        }
        return meaning;
    }

    std::uint64_t meaning_of(const program::Reference& reference, const Places& places, bool updated) const {
        /// Most bytes of a text or constant that are looked at.
        constexpr std::uint32_t kMaxBytes = 256;
        /// Bytes of something else that tell it from others.
        constexpr std::uint32_t kTellingBytes = 8;
        const program::Program& program = places.program();
        const auto bytes_of = [&](ByteView bytes) {
            std::uint64_t state = bytes.size();
            for (std::size_t i = 0; i < bytes.size(); ++i)
                state = mixed(state, bytes[i]);
            return state;
        };
        const auto text_of = [&](std::string_view text) {
            return bytes_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
        };
        const Place place = places.at(reference.target);
        switch (place.kind) {
        case PlaceKind::function: {
            const auto& partners = updated ? result_.to_baseline[place.index] : result_.to_updated[place.index];
            if (partners.size() != 1)
                return 0;
            const std::uint32_t b = updated ? partners.front() : place.index;
            return sole_partner(b, updated ? place.index : partners.front()) ? mixed(b + 1, place.offset) : 0;
        }
        case PlaceKind::import: {
            const pe::ImportSlot& slot = program.imports()[place.index];
            return mixed(text_of(slot.name), slot.ordinal);
        }
        case PlaceKind::data: {
            const program::DataObject& object = program.data()[place.index];
            if (object.writable)
                return 0;
            if (reference.use == Use::read && reference.access_size != 0 && reference.access_size <= kMaxBytes &&
                places.relocations_in({reference.target, reference.access_size}).empty()) {
                const auto bytes = program.image().bytes_at(reference.target, reference.access_size);
                return bytes ? bytes_of(*bytes) : 0;
            }
            const bool relocated = !places.relocations_in({reference.target, 8}).empty();
            const auto text = program.image().string_at(reference.target, kMaxBytes);
            if (text && text->size() >= kMinText && !relocated)
                return text_of(*text);
            // Tables are told apart by how they begin.
            const auto begin = relocated || place.offset != 0 || object.range.size < kTellingBytes
                                   ? std::nullopt
                                   : program.image().bytes_at(reference.target, kTellingBytes);
            return begin && places.words_in({reference.target, kTellingBytes}).empty() ? bytes_of(*begin) : 0;
        }
        default:
            return 0;
        }
    }

    bool sole_partner(std::uint32_t b, std::uint32_t u) const {
        return result_.to_updated[b].size() == 1 && result_.to_baseline[u].size() == 1 && result_.to_updated[b][0] == u;
    }

    /// Free functions with the same code, equally many on both sides of what lies between the same pairs, in their
    /// order; failing that, of what follows the same pair or is followed by it.
    bool by_neighbours() {
        bool paired = false;
        for (const auto& [before, after] : {std::pair{true, true}, {true, false}, {false, true}}) {
            const auto from = twins_by_surroundings(result_.baseline_fingerprints, false, before, after);
            const auto to = twins_by_surroundings(result_.updated_fingerprints, true, before, after);
            for (const auto& [key, twins] : from)
                if (const auto other = to.find(key); other != to.end() && other->second.size() == twins.size())
                    for (std::size_t i = 0; i < twins.size(); ++i)
                        paired |= relate_twins(twins[i], other->second[i]);
        }
        return paired;
    }

    struct Surroundings {
        std::uint32_t before = kNone; ///< function of the baseline in the nearest pair before, or kNone
        std::uint32_t after = kNone;
        Digest code;
        bool operator==(const Surroundings&) const = default;
    };
    struct SurroundingsHash {
        std::size_t operator()(const Surroundings& one) const {
            return DigestHash{}(one.code) ^ mixed(one.before, one.after);
        }
    };
    using TwinsBySurroundings = std::unordered_map<Surroundings, std::vector<std::uint32_t>, SurroundingsHash>;

    /// The free functions of an image by their code and the nearest pairs around them, as far as these count.
    TwinsBySurroundings twins_by_surroundings(const std::vector<Digest>& fingerprints, bool updated, bool before,
                                              bool after) const {
        const auto size = static_cast<std::uint32_t>(fingerprints.size());
        const auto pair_at = [&](std::uint32_t i) {
            const auto& partners = updated ? result_.to_baseline[i] : result_.to_updated[i];
            if (partners.size() != 1)
                return kNone;
            const std::uint32_t b = updated ? partners.front() : i;
            return sole_partner(b, updated ? i : partners.front()) ? b : kNone;
        };
        TwinsBySurroundings found;
        std::uint32_t last = kNone;
        for (std::uint32_t i = 0; i < size;) {
            if (const std::uint32_t here = pair_at(i); here != kNone) {
                last = here;
                ++i;
                continue;
            }
            std::uint32_t end = i + 1;
            while (end < size && pair_at(end) == kNone)
                ++end;
            const std::uint32_t next = end < size ? pair_at(end) : kNone;
            for (; i < end; ++i)
                if (updated ? free_updated(i) : free_baseline(i))
                    found[{before ? last : kNone, after ? next : kNone, fingerprints[i]}].push_back(i);
        }
        return found;
    }

    bool relate_twins(std::uint32_t b, std::uint32_t u) { return !contradicted(b, u) && relate_if_free(b, u); }

    /// True if there are votes for either, and none for the pair.
    bool contradicted(std::uint32_t b, std::uint32_t u) const {
        const auto lacks = [](const std::vector<std::uint32_t>& votes, std::uint32_t other) {
            return !votes.empty() && !std::binary_search(votes.begin(), votes.end(), other);
        };
        return lacks(baseline_votes_[b], u) || lacks(updated_votes_[u], b);
    }

    /// Names that occur once on each side among what is free: what is left of static functions of equal names when all
    /// others of the name have found their counterparts.
    bool by_remaining_names() {
        std::map<std::string_view, Seen> seen;
        for (std::uint32_t b = 0; b < baseline_.size(); ++b)
            if (free_baseline(b))
                for (const std::string& name : baseline_[b].names)
                    Seen::note(seen[name].baseline, b);
        for (std::uint32_t u = 0; u < updated_.size(); ++u)
            if (free_updated(u))
                for (const std::string& name : updated_[u].names)
                    Seen::note(seen[name].updated, u);
        bool paired = false;
        for (const auto& [name, one] : seen)
            if (one.unique() && !contradicted(one.baseline, one.updated))
                paired |= relate_if_free(one.baseline, one.updated);
        return paired;
    }

    /// Code that is folded in one image and not in the other: a free function that references say is one that has its
    /// counterpart already, of the same code.
    bool by_folding() {
        bool paired = false;
        const auto relate_folded = [&](std::uint32_t b, std::uint32_t u) {
            if (!result_.same_code(b, u) || !compatible(b, u))
                return;
            relate(b, u);
            paired = true;
        };
        for (std::uint32_t u = 0; u < updated_.size(); ++u)
            if (free_updated(u) && updated_votes_[u].size() == 1 && !free_baseline(updated_votes_[u].front()))
                relate_folded(updated_votes_[u].front(), u);
        for (std::uint32_t b = 0; b < baseline_.size(); ++b)
            if (free_baseline(b) && baseline_votes_[b].size() == 1 && !free_updated(baseline_votes_[b].front()))
                relate_folded(b, baseline_votes_[b].front());
        // References say of one that it is several, and of each of these that it is this one.
        const auto came_apart = [&](std::uint32_t one, const auto& votes, const auto& other_votes, const auto& is_free,
                                    const auto& same_code) {
            return votes[one].size() > 1 && std::ranges::all_of(votes[one], [&](std::uint32_t other) {
                       return is_free(other) && other_votes[other].size() == 1 && same_code(other);
                   });
        };
        for (std::uint32_t b = 0; b < baseline_.size(); ++b)
            if (free_baseline(b) &&
                came_apart(
                    b, baseline_votes_, updated_votes_, [&](std::uint32_t u) { return free_updated(u); },
                    [&](std::uint32_t u) { return result_.same_code(b, u); }))
                for (const std::uint32_t u : baseline_votes_[b])
                    relate_folded(b, u);
        for (std::uint32_t u = 0; u < updated_.size(); ++u)
            if (free_updated(u) &&
                came_apart(
                    u, updated_votes_, baseline_votes_, [&](std::uint32_t b) { return free_baseline(b); },
                    [&](std::uint32_t b) { return result_.same_code(b, u); }))
                for (const std::uint32_t b : updated_votes_[u])
                    relate_folded(b, u);
        return paired;
    }

    /// One free function between two pairs, or a pair and the end of the list, on both sides.
    bool by_enclosed_gaps() {
        const auto size = static_cast<std::uint32_t>(baseline_.size());
        const auto updated_size = static_cast<std::uint32_t>(updated_.size());
        bool paired = false;
        for (std::uint32_t b = 0; b < size; ++b) {
            if (!free_baseline(b))
                continue;
            std::uint32_t u = 0;
            if (b != 0) {
                if (result_.to_updated[b - 1].size() != 1 || !sole_partner(b - 1, result_.to_updated[b - 1][0]))
                    continue;
                u = result_.to_updated[b - 1][0] + 1;
            }
            if (u >= updated_size || contradicted(b, u))
                continue;
            const bool last = b + 1 == size && u + 1 == updated_size;
            if (!last && (b + 1 >= size || u + 1 >= updated_size || !sole_partner(b + 1, u + 1)))
                continue;
            // Where all neighbours differ, so may their order.
            const bool after_same = b == 0 || result_.same_code(b - 1, u - 1);
            const bool before_same = last || result_.same_code(b + 1, u + 1);
            const auto common = common_references(b, u);
            if (common ? *common != 0 && (after_same || before_same) : after_same && before_same)
                paired |= relate_if_free(b, u);
        }
        return paired;
    }

    /// How many things both functions refer to; nothing where of either function none is known.
    std::optional<std::size_t> common_references(std::uint32_t b, std::uint32_t u) const {
        const auto known = [&](std::uint32_t index, const Places& places, bool updated) {
            std::vector<std::uint64_t> meanings;
            for (const program::Reference& reference : places.program().functions()[index].references)
                if (program::has_target(reference.kind))
                    if (const std::uint64_t meaning = meaning_of(reference, places, updated))
                        meanings.push_back(meaning);
            std::ranges::sort(meanings);
            return meanings;
        };
        const auto from = known(b, baseline_places_, false);
        const auto to = known(u, updated_places_, true);
        std::vector<std::uint64_t> both;
        std::ranges::set_intersection(from, to, std::back_inserter(both));
        return from.empty() || to.empty() ? std::nullopt : std::optional(both.size());
    }

    void note_conflicts() {
        for (std::uint32_t u = 0; u < updated_.size(); ++u) {
            if (!free_updated(u) || updated_votes_[u].empty())
                continue;
            std::string said;
            for (const std::uint32_t b : updated_votes_[u]) {
                if (!free_baseline(b))
                    continue;
                said += fmt::format("{}references say {} (+0x{:x})", said.empty() ? "" : ", ",
                                    baseline_[b].display_name(), baseline_[b].range.begin.value);
                for (const std::uint32_t other : baseline_votes_[b])
                    if (other != u)
                        said += fmt::format(", which others say is {} (+0x{:x})", updated_[other].display_name(),
                                            updated_[other].range.begin.value);
            }
            if (!said.empty())
                result_.conflicts.emplace_back(u, std::move(said));
        }
    }

    const Places& baseline_places_;
    const Places& updated_places_;
    std::span<const program::Function> baseline_;
    std::span<const program::Function> updated_;
    Matching result_;
    std::vector<std::uint32_t> baseline_code_; ///< by function: equal where the fingerprints are
    std::vector<std::uint32_t> updated_code_;
    std::uint32_t code_count_ = 0;
    std::vector<std::uint32_t> left_of_baseline_; ///< functions, ascending: all that are free, and perhaps others
    std::vector<std::uint32_t> left_of_updated_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> fresh_; ///< pairs whose references were not looked at yet
    std::vector<std::vector<std::uint32_t>> baseline_votes_;     ///< counterparts that references speak for, ascending
    std::vector<std::vector<std::uint32_t>> updated_votes_;
    std::unordered_set<std::uint64_t> objects_; ///< pairs of data objects whose pointers were looked at
};

} // namespace

bool Matching::related(std::uint32_t baseline, std::uint32_t updated) const {
    const auto& list = to_updated[baseline];
    return std::binary_search(list.begin(), list.end(), updated);
}

std::size_t Matching::matched() const {
    return static_cast<std::size_t>(
        std::count_if(to_updated.begin(), to_updated.end(), [](const auto& list) { return !list.empty(); }));
}

Matching match(const Places& baseline, const Places& updated) {
    return Matcher(baseline, updated).run();
}

} // namespace suture::match
