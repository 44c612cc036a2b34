#include "patchgen/program/address_words.hpp"
#include "patchgen/program/runtime_relocations.hpp"
#include "patchgen/prove/content.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

using program::DataObject;
using program::Use;

namespace {

/// Most zeros behind an object of unknown size that are taken for alignment, in bytes.
constexpr std::uint32_t kMaxPadding = 32;
/// Bytes compared at a time: sections of zeros may be huge.
constexpr std::uint32_t kPiece = 1u << 20;

bool all_zero(const program::Program& program, Rva at, std::uint32_t size) {
    const Content content(program.image(), {at, size});
    return content.bytes() && std::ranges::all_of(*content.bytes(), [](std::uint8_t byte) { return byte == 0; });
}

/// True if a word in `range` stands for an address: then it is no text, whatever its bytes are.
bool holds_word(const program::Program& program, RvaRange range) {
    const auto word = std::ranges::lower_bound(program.address_words(), range.begin, {}, &program::AddressWord::at);
    return word != program.address_words().end() && range.contains(word->at);
}

} // namespace

/// True if other data follows that may be part of the object.
bool Equivalence::goes_on_as_data(RvaRange object) const {
    const Rva end{static_cast<std::uint32_t>(object.end())};
    const DataObject* last = updated_.data_at(Rva{end.value - 1});
    return last && !last->closed && updated_.data_at(end) && !tables_.contains(end) && !updated_.import_at(end);
}

/// How many bytes from the goal's address on belong to what it refers to.
std::uint32_t Equivalence::extent_of(const Goal& goal, RvaRange object, bool size_known) const {
    const auto size = static_cast<std::uint32_t>(object.end() - goal.updated.value);
    if (size_known)
        return size;
    if (const auto text = updated_texts_.at(goal.updated); text && !text->empty()) {
        const auto length = static_cast<std::uint32_t>(text->size() + 1);
        const auto table = tables_.upper_bound(goal.updated);
        const bool into_table = table != tables_.end() && table->first - goal.updated < length;
        const bool is_text = !into_table && !holds_word(updated_, {goal.updated, std::min(length, size)});
        if (is_text && (length == size || (length > size && goes_on_as_data(object)) ||
                        (length < size && size - length <= kMaxPadding &&
                         all_zero(updated_, goal.updated + length, size - length))))
            return length;
    }
    std::uint32_t trimmed = size;
    while (trimmed > 1 && size - trimmed < kMaxPadding && all_zero(updated_, goal.updated + (trimmed - 1), 1))
        --trimmed;
    return trimmed;
}

/// Tables of pointers, such as vtables, often have no size in symbols, and compilers put literals behind them: those
/// are things of their own where the baseline has something else to tell them by.
std::uint32_t Equivalence::up_to_literals(const Goal& goal, std::uint32_t size) const {
    const program::Program& baseline = overlay_.baseline();
    const auto is_text = [](const program::Texts& texts, Rva at) {
        const auto text = texts.at(at);
        return text && !text->empty();
    };
    const auto data = baseline.data();
    auto next =
        std::ranges::upper_bound(data, goal.place.rva, {}, [](const DataObject& one) { return one.range.begin; });
    for (; next != data.end() && next->range.begin - goal.place.rva < size; ++next) {
        const std::uint32_t offset = next->range.begin - goal.place.rva;
        if (next->names.empty() && offset >= 8 && updated_.pointer_at(goal.updated + (offset - 8)) &&
            is_text(updated_texts_, goal.updated + offset) && is_text(baseline_texts_, next->range.begin))
            return offset;
    }
    return size;
}

Result<void> Equivalence::settle_data(const Goal& goal) {
    if (goal.use == Use::address && !goal.place.in_package && goal.updated.value != 0 && goal.place.rva.value != 0) {
        // Linkers' marks for the ends of lists that are empty lie behind the last byte of a section.
        const pe::Section* ended = updated_.image().section_at(goal.updated - 1);
        const pe::Section* other = overlay_.section_at(goal.place - 1);
        if (!updated_.image().section_at(goal.updated) && ended && other && ended->name == other->name &&
            other->range.end() == goal.place.rva.value)
            return {};
        // Or at the start of what the linker made of the next section.
        for (std::uint8_t i = 0; i < 16; ++i) {
            const auto directory = static_cast<pe::Directory>(i);
            if (directory != pe::Directory::certificates && updated_.image().directory(directory).size != 0 &&
                updated_.image().directory(directory).begin == goal.updated &&
                overlay_.baseline().image().directory(directory).begin == goal.place.rva)
                return {};
        }
    }
    const pe::Section* ours = updated_.image().section_at(goal.updated);
    const pe::Section* theirs = overlay_.section_at(goal.place);
    if (!ours || !theirs)
        return failed(goal, fmt::format("0x{:x} or {} is in no section", goal.updated.value, goal.place.text()));
    // Constants that a linker put into code may be read from a copy elsewhere, but never be run there.
    const bool is_code = ours->executable() != theirs->executable() && goal.use != Use::read;
    if (ours->writable() != theirs->writable() || is_code)
        return failed(goal, fmt::format("0x{:x} lies in {}, {} in {}", goal.updated.value, ours->name,
                                        goal.place.text(), theirs->name));
    if (const auto table = tables_.find(goal.updated); table != tables_.end())
        return settle_table(goal, *table->second);
    // The baseline's own list was read when it started, and nobody reads one later. That nothing which the updated
    // image's list would fill in is in the package is looked at elsewhere.
    if (goal.use == Use::address && !goal.place.in_package && program::is_runtime_list(updated_, goal.updated) &&
        program::is_runtime_list(overlay_.baseline(), goal.place.rva))
        return {};
    const DataObject* object = updated_.data_at(goal.updated);
    if (!object && ours->executable())
        return failed(goal, fmt::format("it refers to 0x{:x}, which is neither code nor data", goal.updated.value));
    const RvaRange range = object ? object->range : RvaRange{goal.updated, std::max(goal.access_size, 1u)};
    const std::uint32_t offset = goal.updated - range.begin;
    if (goal.place.rva.value < offset)
        return failed(goal, fmt::format("{} is nothing that data could begin before", goal.place.text()));
    const bool known = object && object->size_known;
    if (ours->writable())
        return pair_writable(goal, {range.begin, known ? range.size : std::max(offset + goal.access_size, 1u)},
                             goal.place - offset);
    if (object && goal.place.in_package) {
        // A copy serves whoever refers to it later: all of it must be right.
        Goal whole = goal;
        whole.updated = range.begin;
        objects_.emplace(range.begin, std::pair(goal.place - offset, range.size));
        SUTURE_CHECK(compare_data(goal, range.begin, goal.place - offset, extent_of(whole, range, known)));
    }
    const bool sized = goal.use == Use::read && goal.access_size != 0;
    std::uint32_t size = sized ? goal.access_size : extent_of(goal, range, known);
    const std::uint32_t found = size;
    if (!sized && !known && object && !object->names.empty())
        size = up_to_literals(goal, size);
    if (goal.use != Use::read && !goal.goes_on)
        objects_.emplace(range.begin, std::pair(goal.place - offset, range.size));
    note_begin(goal);
    if (!sized && !known && object && size == found)
        go_on_behind(goal, *object);
    return compare_data(goal, goal.updated, goal.place, size);
}

/// Something without a name or a size may begin inside what lies before it: whoever has that one's address may go on
/// into it.
void Equivalence::go_on_behind(const Goal& goal, const DataObject& object) {
    const Rva end{static_cast<std::uint32_t>(object.range.end())};
    const DataObject* next = object.closed ? nullptr : updated_.data_at(end);
    if (!next || next->range.begin != end || !next->names.empty() || next->size_known || tables_.contains(end) ||
        updated_.import_at(end) || updated_.function_at(end))
        return;
    const auto text_at = [&](Rva at) {
        // The low bytes of a pointer may look like letters.
        const auto relocations = updated_.relocations();
        const auto field = std::ranges::lower_bound(relocations, at, {}, &pe::Relocation::at);
        if (field != relocations.end() && field->at == at)
            return false;
        const auto text = updated_texts_.at(at);
        if (text && text->empty()) {
            // The end of a string serves as an empty one.
            const auto before = updated_.image().bytes_at(at - 1, 1);
            return before && (*before)[0] != 0 && program::printable((*before)[0]);
        }
        return text.has_value();
    };
    // Literals lie behind each other, and behind tables of pointers.
    const bool behind_pointer = end.value >= 8 && updated_.pointer_at(Rva{end.value - 8});
    const bool behind_word = end.value >= 4 && holds_word(updated_, {Rva{end.value - 4}, 4});
    const bool from_text = text_at(goal.updated) && !holds_word(updated_, {goal.updated, 4});
    if (!from_text && !((behind_pointer || behind_word) && text_at(end)))
        behind_.push_back({end, goal.place + (end - goal.updated), Use::address, 0, goal.referrer, goal.at, 0, true});
}

void Equivalence::note_begin(const Goal& goal) {
    if (!goal.of_baseline || goal.goes_on || goal.place.in_package)
        return;
    const auto [known, first] = begins_.try_emplace(goal.updated, goal.place);
    if (!first && known->second != goal.place)
        known->second.reset();
}

/// Code and data of the baseline that lead to the updated image's address lead elsewhere than behind the thing in front
/// of it: were it inside of that, they would lead there.
bool Equivalence::begins_elsewhere(const Goal& goal) const {
    const auto known = begins_.find(goal.updated);
    return known != begins_.end() && known->second && *known->second != goal.place;
}

Result<void> Equivalence::settle_behind(const Goal& goal) {
    // Where the next thing of the baseline begins elsewhere, the two are aligned each by itself.
    const Place& behind = goal.place;
    // A structure of its own that begins there is no part of anything.
    const DataObject* begins = behind.in_package ? nullptr : overlay_.baseline().data_at(behind.rva);
    if (begins && begins->range.begin == behind.rva && begins->size_known && begins->names.empty())
        return {};
    const DataObject* theirs = behind.in_package ? nullptr : overlay_.baseline().data_at(Rva{behind.rva.value - 1});
    if (theirs && theirs->range.end() > behind.rva.value && theirs->range.end() - behind.rva.value <= kMaxPadding)
        return compare_data(goal, goal.updated, behind,
                            static_cast<std::uint32_t>(theirs->range.end() - behind.rva.value));
    follow(goal);
    return {};
}

/// The jump table of another function, such as one that this one is a part of.
Result<void> Equivalence::settle_table(const Goal& goal, const program::JumpTable& table) {
    const auto entries = overlay_.content(goal.place, table.range().size);
    const program::Function* counted_from = updated_.function_at(table.base);
    if (entries && table.base != table.at && counted_from &&
        std::ranges::all_of(table.targets, [&](Rva target) { return counted_from->range.contains(target); }))
        // Whoever adds its entries to the address of that code has the whole of that code compared.
        return compare_data(goal, table.at, goal.place, table.range().size);
    if (!entries || table.base != table.at)
        return failed(goal, fmt::format("there is no jump table at {}", goal.place.text()));
    if (!note_data(goal.updated, goal.place, table.range().size))
        return {};
    for (std::size_t i = 0; i < table.targets.size(); ++i) {
        const auto to = entry_of(table, *entries, i, goal.place);
        if (!to)
            return failed(goal, "a jump table of an unusual form");
        follow({table.targets[i], *to, Use::jump, 0, goal.referrer, goal.at});
    }
    counts_.data_bytes += entries->size();
    return {};
}

/// What was copied together with something, since nothing says where that ends.
Result<void> Equivalence::prove_rest() {
    for (const auto& [field, size] : overlay_.adjusted_in_package()) {
        if (used_fields_.contains(field))
            continue;
        std::optional<std::pair<Rva, Place>> nearest;
        for (const auto& [updated, there] : objects_)
            if (there.first.in_package && there.first.rva < field && (!nearest || nearest->second < there.first))
                nearest = {updated, there.first};
        if (!nearest)
            continue;
        const Goal goal{nearest->first, nearest->second, Use::address, 0, nullptr, nearest->first};
        SUTURE_CHECK(compare_data(goal, goal.updated, goal.place, field - goal.place.rva + size));
        SUTURE_CHECK(run());
    }
    return {};
}

/// Writable data has state: each thing of the updated image is one thing of the patched program, and no other is.
Result<void> Equivalence::pair_writable(const Goal& goal, RvaRange object, Place begin) {
    const auto [known, first] = objects_.emplace(object.begin, std::pair(begin, object.size));
    if (known->second.first != begin)
        return failed(goal, fmt::format("the variable at 0x{:x} is {} here and {} elsewhere", object.begin.value,
                                        begin.text(), known->second.first.text()));
    const auto [there, fresh] = writable_.emplace(begin, std::pair(object.begin, object.size));
    if (there->second.first != object.begin)
        return failed(goal, fmt::format("{} is the variable at 0x{:x} and the one at 0x{:x}", begin.text(),
                                        there->second.first.value, object.begin.value));
    if (!first && !fresh)
        return {};
    // Parts of one variable that are referred to one by one overlap in both images alike.
    const auto overlapping = [&](auto lower, auto upper) {
        return lower->first.in_package == upper->first.in_package &&
               lower->first.rva.value + lower->second.second > upper->first.rva.value &&
               upper->second.first - lower->second.first != upper->first.rva - lower->first.rva;
    };
    const auto next = std::next(there);
    if ((there != writable_.begin() && overlapping(std::prev(there), there)) ||
        (next != writable_.end() && overlapping(there, next)))
        return failed(goal, fmt::format("the variable at 0x{:x} shares bytes at {} with another one",
                                        object.begin.value, begin.text()));
    // A variable of the baseline keeps its value; one of the package has none to keep.
    if (!begin.in_package && may_differ_.contains(object.begin)) {
        counts_.allowed += first;
        return {};
    }
    return compare_data(goal, object.begin, begin, object.size);
}

bool Equivalence::note_data(Rva updated, Place place, std::uint32_t size) {
    return data_pairs_.insert(
        {std::uint64_t{updated.value} << 32 | place.rva.value, std::uint64_t{size} << 1 | (place.in_package ? 1 : 0)});
}

/// A word that stands for an address. RVAs count from the image that is asked for them, which nobody knows of a
/// package.
Result<void> Equivalence::follow_word(const Goal& goal, const program::AddressWord& word, Place place) {
    const auto to = updated_.target_of(word);
    const bool is_rva = word.base.value == 0 || word.base == program::kLastByte;
    std::optional<Place> leads;
    if (is_rva) {
        const auto bytes = place.in_package ? std::nullopt : overlay_.content(place, 4);
        if (bytes)
            leads = Place{false, word.base + ByteView(*bytes).read<std::uint32_t>(0).value_or(0)};
    } else {
        leads = overlay_.displaced(place, 4, place + (word.base - word.at));
        if (place.in_package)
            used_fields_.insert(place.rva);
    }
    if (!to || !leads)
        return failed(goal, fmt::format("the address at {} leads nowhere", place.text()));
    follow({*to, *leads, Use::address, 0, goal.referrer, goal.at});
    return {};
}

Result<void> Equivalence::compare_data(const Goal& goal, Rva updated, Place place, std::uint32_t size) {
    if (!note_data(updated, place, size))
        return {};
    const auto at_start = updated_.runtime_fields();
    const auto filled_in = [&](RvaRange field) { return field.overlaps({updated, size}); };
    if (place.in_package && std::ranges::any_of(at_start, filled_in))
        return failed(goal, fmt::format("the runtime of the updated image fills in what the package has at {}, and "
                                        "nothing does so there",
                                        place.text()));
    counts_.data_bytes += size;
    const auto relocations = updated_.relocations();
    auto relocation = std::ranges::lower_bound(relocations, updated, {}, &pe::Relocation::at);
    std::vector<std::uint32_t> pointers;
    for (; relocation != relocations.end() && relocation->at.value < std::uint64_t{updated.value} + size; ++relocation)
        pointers.push_back(relocation->at - updated);
    if (overlay_.adjusted(place, size) != pointers)
        return failed(goal, fmt::format("the data at 0x{:x} and at {} have pointers in different places", updated.value,
                                        place.text()));
    const auto all_words = updated_.address_words();
    const auto first_word = std::ranges::lower_bound(all_words, updated, {}, &program::AddressWord::at);
    auto last_word = first_word;
    // The last bytes of a word may have been taken for alignment; but who reads a part of one reads no address.
    const bool sized = goal.use == Use::read && goal.access_size == size;
    while (last_word != all_words.end() &&
           last_word->at.value + (sized ? std::uint64_t{4} : std::uint64_t{1}) <= updated.value + std::uint64_t{size})
        ++last_word;
    for (std::uint32_t done = 0; done < size;) {
        const std::uint32_t piece = std::min(kPiece, size - done);
        const Content our_content(updated_.image(), {updated + done, piece});
        const Content their_content(overlay_, place + done, piece);
        if (!our_content.bytes() || !their_content.bytes())
            return failed(goal, fmt::format("the data at 0x{:x} or at {} ends too soon", updated.value, place.text()));
        if (std::ranges::equal(*our_content.bytes(), *their_content.bytes())) {
            done += piece;
            continue;
        }
        auto ours = our_content.bytes()->copy();
        auto theirs = their_content.bytes()->copy();
        for (const std::uint32_t pointer : pointers)
            for (std::uint32_t i = std::max(pointer, done); i < std::min(pointer + 8, done + piece); ++i)
                ours[i - done] = theirs[i - done] = 0;
        for (auto word = first_word; word != last_word; ++word)
            for (std::uint32_t i = std::max(word->at - updated, done);
                 i < std::min((word->at - updated) + 4, done + piece); ++i)
                ours[i - done] = theirs[i - done] = 0;
        if (ours != theirs) {
            const auto a = std::ranges::mismatch(ours, theirs).in1;
            return failed(goal, fmt::format("the data at 0x{:x} and at {} differ at +0x{:x}", updated.value,
                                            place.text(), done + static_cast<std::uint32_t>(a - ours.begin())));
        }
        done += piece;
    }
    for (auto word = first_word; word != last_word; ++word)
        SUTURE_CHECK(follow_word(goal, *word, place + (word->at - updated)));
    for (const std::uint32_t pointer : pointers) {
        const auto to = updated_.pointer_at(updated + pointer);
        const auto there = overlay_.pointer(place + pointer);
        if (!to || !there)
            return failed(goal, fmt::format("the pointer at {} leads nowhere", (place + pointer).text()));
        if (place.in_package)
            used_fields_.insert(place.rva + pointer);
        follow({*to, *there, Use::address, 0, goal.referrer, updated + pointer, 0, false, !place.in_package});
    }
    return {};
}

/// An address that is taken may be the end of the thing before it. Where something begins there it may mean that, and
/// is compared.
bool Equivalence::may_be_an_end(const Goal& goal) const {
    if (goal.goes_on || goal.use != Use::address || !goal.referrer || goal.updated.value == 0 ||
        updated_.function_at(goal.updated))
        return false;
    const DataObject* before = updated_.data_at(goal.updated - 1);
    return before && before->range.end() == goal.updated.value && !updated_.data_at(goal.updated) &&
           std::ranges::any_of(goal.referrer->references, [&](const program::Reference& reference) {
               return before->range.contains(reference.target);
           });
}

bool Equivalence::is_proved_end(const Goal& goal) const {
    const DataObject* before = updated_.data_at(goal.updated - 1);
    const auto found = objects_.find(before->range.begin);
    return found != objects_.end() && found->second.first + before->range.size == goal.place;
}

} // namespace suture::prove
