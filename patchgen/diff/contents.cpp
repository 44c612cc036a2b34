#include "patchgen/diff/contents.hpp"

#include "patchgen/match/names.hpp"
#include "patchgen/program/parallel.hpp"
#include "patchgen/program/runtime_relocations.hpp"
#include "patchgen/program/type_information.hpp"

#include <algorithm>

namespace suture::diff {

using match::Place;
using match::PlaceKind;
using program::DataObject;

namespace {

/// Fewest printable bytes in a row that are no accident.
constexpr std::uint32_t kMinText = 4;
/// Most zero bytes behind a string's NUL that are taken for alignment. Compilers align long strings to 32 bytes.
constexpr std::size_t kMaxPadding = 32;

/// Largest object whose parts have virtual function tables of their own, in bytes.
constexpr std::int64_t kMaxObject = std::int64_t{1} << 20;

/// True for a virtual function table of the Itanium C++ ABI, and for the part of one behind its address point.
bool is_vtable(const match::Places& places, const DataObject& object) {
    const auto data = places.program().data();
    const DataObject* first = &object;
    for (std::uint32_t i = places.index_of(object);
         first->names.empty() && i > 0 && data[i - 1].range.end() == first->range.begin.value && !data[i - 1].closed &&
         places.program().pointer_at(first->range.begin);)
        first = &data[--i];
    return std::any_of(first->names.begin(), first->names.end(),
                       [](const std::string& name) { return name.starts_with("_ZTV") || name.starts_with("_ZTT"); });
}

/// Where the object at `at` ends: it never reaches into metadata, and a virtual function table ends with its last
/// pointer: literals may lie behind it.
std::uint64_t interval_end(const match::Places& places, const DataObject& object, Rva at) {
    std::uint64_t end = object.range.end();
    if (const match::Metadata* next = places.metadata_from(at); next && next->range.begin.value < end)
        end = next->range.begin.value;
    if (!object.size_known && is_vtable(places, object))
        if (const auto fields = places.relocations_in(object.range); !fields.empty() && fields.back().at >= at)
            end = std::min<std::uint64_t>(end, std::uint64_t{fields.back().at.value} + 8);
    return end;
}

/// True if a zero byte at `at` may end a string: that is what a reference to an empty string leads to.
bool ends_text(const match::Places& places, Rva at) {
    const auto before =
        at.value >= kMinText ? places.program().image().bytes_at(at - kMinText, kMinText) : std::nullopt;
    return before && std::all_of(before->begin(), before->end(), [](std::uint8_t c) { return c >= 0x20 && c < 0x7f; });
}

/// Bytes of the string at `at` with its NUL, if that is all that lies there; 0 otherwise. A string may run past the
/// end of the interval where the tail of it is another string.
std::uint32_t text_size(const match::Places& places, const DataObject& object, Rva at) {
    const auto text = places.texts().at(at);
    if (!text)
        return 0;
    const auto size = static_cast<std::uint32_t>(text->size() + 1);
    // The lowest byte of a pointer is often a zero, and text without a NUL may lie in front of it.
    if (!places.relocations_in({at, size}).empty())
        return 0;
    if ((size == 1 && !ends_text(places, at)) || !places.words_in({at, size}).empty())
        return 0;
    const std::uint64_t end = interval_end(places, object, at);
    if (at.value + std::uint64_t{size} == end)
        return size;
    if (at.value + std::uint64_t{size} > end)
        return !object.closed && places.at(Rva{static_cast<std::uint32_t>(end)}).kind == PlaceKind::data ? size : 0;
    const auto padding = static_cast<std::uint32_t>(end - at.value - size);
    if (padding > kMaxPadding)
        return 0;
    const auto rest = places.program().image().content({at + size, padding});
    return rest && std::all_of(rest->begin(), rest->end(), [](std::uint8_t c) { return c == 0; }) ? size : 0;
}

bool has_symbols(const match::Places& places) {
    return places.program().symbol_source() != "image";
}

/// True if `range` holds nothing but pointers, or nothing but words that stand for addresses: a table of functions, of
/// strings, or of both.
bool pointers_only(const match::Places& places, RvaRange range) {
    if (range.size != 0 && places.words_in(range).size() * std::size_t{4} == range.size)
        return true;
    if (range.size == 0 || range.size % 8 != 0)
        return false;
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < range.size; i += 8)
        if (places.program().pointer_at(range.begin + i))
            ++found;
        else if (places.program().image().read<std::uint64_t>(range.begin + i) != 0)
            return false;
    return found != 0;
}

/// The object that follows at `end` so that it may belong to `before`.
const DataObject* unnamed_behind(const match::Places& places, const DataObject& before, Rva end) {
    if (before.closed && end.value == before.range.end())
        return nullptr;
    const DataObject* object = places.program().data_at(end);
    return object && object->range.begin == end && Contents::may_go_on(places, before, *object) &&
                   places.at(end).kind == PlaceKind::data
               ? object
               : nullptr;
}

} // namespace

bool Contents::may_go_on(const match::Places& places, const DataObject& before, const DataObject& next) {
    if (next.names.empty())
        return !next.size_known;
    return before.names.empty() && !before.size_known && !next.writable && !places.program().is_referred_to(next.range);
}

Contents::Extent Contents::extent_of(const match::Places& places, Rva at) {
    const DataObject* object = places.program().data_at(at);
    if (!object)
        return {};
    const auto size = static_cast<std::uint32_t>(interval_end(places, *object, at) - at.value);
    if (object->size_known)
        return {size, text_size(places, *object, at) != 0, true};
    if (const std::uint32_t text = object->writable ? 0 : text_size(places, *object, at); text != 0)
        return {text, true, true};
    return {size, false, unnamed_behind(places, *object, at + size) == nullptr};
}

std::uint32_t Contents::countable_from(const match::Places& places, Rva at) {
    const DataObject* object = places.program().data_at(at);
    if (!object || object->size_known || object->writable)
        return 0;
    const auto size = static_cast<std::uint32_t>(interval_end(places, *object, at) - at.value);
    if (!unnamed_behind(places, *object, at + size))
        return 0;
    const std::uint32_t text = text_size(places, *object, at);
    return text != 0 ? text : size;
}

Contents::Node Contents::compare(Rva baseline, Rva updated, std::uint32_t size) {
    const Node result = ask({baseline, updated, size, false});
    settle();
    return result;
}

Contents::Node Contents::compare_counted(Rva baseline, Rva updated) {
    const Node result = ask({baseline, updated, 0, false, true});
    settle();
    return result;
}

bool Contents::same_initial(Rva baseline, Rva updated, std::uint32_t size) {
    if (size == 0)
        return true;
    const Node result = ask({baseline, updated, size, true});
    settle();
    return same(result);
}

bool Contents::same_pointers(Rva baseline_field, Rva updated_field) {
    Dependence on;
    if (!same_pointer(on, baseline_field, updated_field))
        return false;
    std::vector<Node> nodes;
    for (const Question& question : on.questions)
        nodes.push_back(ask(question));
    settle();
    return std::all_of(nodes.begin(), nodes.end(), [&](Node node) { return same(node); });
}

std::vector<bool> Contents::may_differ_behind() const {
    const auto& places = pairing_.updated;
    const auto data = places.program().data();
    std::vector<bool> same(data.size());
    std::vector<bool> differs(data.size());
    for (const Entry& entry : nodes_) {
        const DataObject* object = places.program().data_at(entry.question.updated);
        if (!object || object->range.begin != entry.question.updated || entry.question.initial)
            continue;
        const std::uint32_t index = places.index_of(*object);
        if (!entry.same)
            differs[index] = true;
        else if (entry.question.size == 0)
            same[index] = true;
    }
    std::vector<bool> behind(data.size());
    for (std::size_t i = data.size(); i-- > 1;)
        behind[i - 1] = !data[i - 1].closed && data[i].range.begin.value == data[i - 1].range.end() &&
                        may_go_on(places, data[i - 1], data[i]) && (behind[i] || differs[i] || !same[i]);
    return behind;
}

Contents::Node Contents::ask(const Question& question) {
    const auto [at, added] = index_.try_emplace(question, static_cast<Node>(nodes_.size()));
    if (added)
        nodes_.push_back({question, true, {}, {}});
    return at->second;
}

/// Expands what was added, and all that follows from it. Equal is what nothing proves unequal: pointers may go round.
void Contents::settle() {
    const std::size_t first = settled_;
    while (settled_ < nodes_.size()) {
        std::vector<Question> questions; // those that nodes are added for meanwhile come later
        questions.reserve(nodes_.size() - settled_);
        for (std::size_t i = settled_; i < nodes_.size(); ++i)
            questions.push_back(nodes_[i].question);
        program::for_each_in_order(
            questions.size(), [&](std::size_t i) { return expand(questions[i]); },
            [&](Expansion& found) {
                std::vector<Node> children;
                children.reserve(found.questions.size());
                for (const Question& question : found.questions)
                    children.push_back(ask(question));
                Entry& entry = nodes_[settled_++];
                entry.same = found.same;
                entry.children = std::move(children);
                entry.inner = std::move(found.inner);
            });
    }
    std::vector<Node> unequal;
    for (std::size_t i = first; i < nodes_.size(); ++i)
        if (!nodes_[i].same)
            unequal.push_back(static_cast<Node>(i));
        else
            for (const Node child : nodes_[i].children)
                if (child < first && !nodes_[child].same) {
                    nodes_[i].same = false;
                    unequal.push_back(static_cast<Node>(i));
                    break;
                }
    // What was settled before depends on nothing that is new.
    if (!unequal.empty())
        spread(unequal, first);
}

void Contents::spread(const std::vector<Node>& unequal, std::size_t first) {
    std::vector<std::vector<Node>> parents(nodes_.size() - first);
    for (std::size_t i = first; i < nodes_.size(); ++i)
        for (const Node child : nodes_[i].children)
            if (child >= first)
                parents[child - first].push_back(static_cast<Node>(i));
    std::vector<Node> pending = unequal;
    while (!pending.empty()) {
        const Node child = pending.back();
        pending.pop_back();
        for (const Node parent : parents[child - first])
            if (nodes_[parent].same) {
                nodes_[parent].same = false;
                pending.push_back(parent);
            }
    }
}

void Contents::differ(const std::set<Edge>& functions) {
    std::vector<Node> unequal;
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (nodes_[i].same && std::any_of(nodes_[i].inner.begin(), nodes_[i].inner.end(),
                                          [&](const Edge& edge) { return functions.contains(edge); })) {
            nodes_[i].same = false;
            unequal.push_back(static_cast<Node>(i));
        }
    if (!unequal.empty())
        spread(unequal, 0);
}

Contents::Expansion Contents::expand(const Question& question) const {
    Expansion found;
    const Place from = pairing_.baseline.at(question.baseline);
    const Place to = pairing_.updated.at(question.updated);
    if (from.kind != PlaceKind::data || to.kind != PlaceKind::data) {
        found.same = false;
    } else {
        const DataObject& object = pairing_.updated.program().data()[to.index];
        if (question.initial)
            found.same = same_bytes(found, question.baseline, question.updated, question.size);
        else if (object.writable != pairing_.baseline.program().data()[from.index].writable)
            found.same = false;
        else if (const auto type = program::type_described_at(pairing_.updated.program().image(), question.updated);
                 object.writable && type && question.size == 0)
            // Types are the same by their names, wherever they are described, and by what they are types of.
            found.same = program::type_described_at(pairing_.baseline.program().image(), question.baseline) == type &&
                         same_pointer(found, question.baseline, question.updated);
        else if (object.writable)
            found.same = pairing_.data.counterpart(to.index).kind == Counterpart::Kind::paired &&
                         pairing_.data.counterpart(to.index).baseline + to.offset == question.baseline;
        else if (question.size != 0)
            found.same = same_bytes(found, question.baseline, question.updated, question.size);
        else if (program::is_runtime_list(pairing_.updated.program(), question.updated) &&
                 program::is_runtime_list(pairing_.baseline.program(), question.baseline))
            found.same = true; // of what each image needs; what is filled in is compared by itself
        else
            found.same = expand_address(found, question);
    }
    return found;
}

bool Contents::expand_address(Dependence& on, const Question& question) const {
    const auto& from = pairing_.baseline;
    const auto& to = pairing_.updated;
    const DataObject& old_object = *from.program().data_at(question.baseline);
    const DataObject& new_object = *to.program().data_at(question.updated);
    const std::uint32_t old_offset = question.baseline - old_object.range.begin;
    const std::uint32_t new_offset = question.updated - new_object.range.begin;
    const std::uint32_t old_text = text_size(from, old_object, question.baseline);
    const std::uint32_t new_text = text_size(to, new_object, question.updated);
    if (!match::names_compatible(old_object.names, new_object.names) || !same_type_behind(on, question))
        return false;
    if (old_object.size_known && new_object.size_known)
        return old_offset == new_offset && old_object.range.size == new_object.range.size &&
               same_bytes(on, old_object.range.begin, new_object.range.begin, old_object.range.size) &&
               (old_offset != 0 || same_perhaps_addresses(on, question, old_object.range.size));
    if (old_text != 0 && old_text == new_text) {
        if (!same_bytes(on, question.baseline, question.updated, old_text))
            return false;
        go_on_behind_text(on, question);
        return true;
    }
    const auto old_size =
        static_cast<std::uint32_t>(interval_end(from, old_object, question.baseline)) - question.baseline.value;
    const auto new_size =
        static_cast<std::uint32_t>(interval_end(to, new_object, question.updated)) - question.updated.value;
    const std::uint32_t shared = std::min(old_size, new_size);
    if (!same_bytes(on, question.baseline, question.updated, shared) || !same_perhaps_addresses(on, question, shared))
        return false;
    if (old_size != new_size) {
        // The longer one goes on. Where the shorter one certainly ends, that is padding or it has grown; where an
        // unnamed address follows, it may be inside, and the bytes behind it belong to the comparison, unless the
        // other image has something that begins where its users lead, or it has come to lie elsewhere.
        const bool old_is_shorter = old_size < new_size;
        const match::Places& shorter = old_is_shorter ? from : to;
        const Rva end = (old_is_shorter ? question.baseline : question.updated) + shared;
        const std::uint32_t rest = std::max(old_size, new_size) - shared;
        const DataObject* next = unnamed_behind(shorter, old_is_shorter ? old_object : new_object, end);
        const auto lies_elsewhere = [&] {
            const std::uint32_t index = shorter.index_of(*next);
            return (old_is_shorter ? pairing_.data.sole_vote(index) : pairing_.data.sole_baseline_vote(index)) != ~0u;
        };
        if (next) {
            const std::size_t questions = on.questions.size();
            const std::size_t inner = on.inner.size();
            if (same_bytes(on, question.baseline + shared, question.updated + shared, rest))
                return true;
            if (!pairing_.data.begins_in_both(old_is_shorter, shorter.index_of(*next)) && !lies_elsewhere())
                return false;
            on.questions.resize(questions);
            on.inner.resize(inner);
        }
        const match::Places& longer = old_is_shorter ? to : from;
        const auto tail =
            longer.program().image().content({(old_is_shorter ? question.updated : question.baseline) + shared, rest});
        return rest <= kMaxPadding && tail &&
               std::all_of(tail->begin(), tail->end(), [](std::uint8_t c) { return c == 0; });
    }
    const Rva old_end = question.baseline + shared;
    const Rva new_end = question.updated + shared;
    const DataObject* old_next = unnamed_behind(from, old_object, old_end);
    const DataObject* new_next = unnamed_behind(to, new_object, new_end);
    if (!old_next || !new_next || pairing_.data.contradicted(from.index_of(*old_next), to.index_of(*new_next)))
        return true;
    // Strings behind a virtual function table are literals.
    if (pointers_only(from, {question.baseline, shared}) && text_size(from, *old_next, old_end) != 0 &&
        text_size(to, *new_next, new_end) != 0)
        return true;
    on.questions.push_back({old_end, new_end, 0, false, question.counted});
    return true;
}

/// A string may be the first member of something: what is no text behind it goes with it. Where there are symbols,
/// whatever is more than a literal has a name. What code counts from may be a table of texts.
void Contents::go_on_behind_text(Dependence& on, const Question& question) const {
    const auto& from = pairing_.baseline;
    const auto& to = pairing_.updated;
    const DataObject& old_object = *from.program().data_at(question.baseline);
    const DataObject& new_object = *to.program().data_at(question.updated);
    if (!question.counted && old_object.names.empty() && has_symbols(from) && has_symbols(to))
        return;
    const Rva old_end{static_cast<std::uint32_t>(interval_end(from, old_object, question.baseline))};
    const Rva new_end{static_cast<std::uint32_t>(interval_end(to, new_object, question.updated))};
    const DataObject* old_next = unnamed_behind(from, old_object, old_end);
    const DataObject* new_next = unnamed_behind(to, new_object, new_end);
    if (old_next && new_next && old_end - question.baseline == new_end - question.updated &&
        (question.counted || (text_size(from, *old_next, old_end) == 0 && text_size(to, *new_next, new_end) == 0)) &&
        !pairing_.data.contradicted(from.index_of(*old_next), to.index_of(*new_next)))
        on.questions.push_back({old_end, new_end, 0, false, question.counted});
}

/// Nothing tells that the words of something stand for addresses, but all of them may: then equal ones must lead to the
/// same things too.
bool Contents::same_perhaps_addresses(Dependence& on, const Question& question, std::uint32_t size) const {
    const auto base = base_of_words(pairing_.baseline, {question.baseline, size});
    const auto new_base = base ? base_of_words(pairing_.updated, {question.updated, size}) : std::nullopt;
    if (!new_base || (base->value == 0) != (new_base->value == 0))
        return true;
    for (std::uint32_t i = 0; i < size; i += 4) {
        const program::AddressWord word{question.baseline + i, *base};
        if (!same_word(on, word, {question.updated + i, *new_base}))
            return false;
    }
    return true;
}

std::optional<Rva> Contents::base_of_words(const match::Places& places, RvaRange range) {
    const program::Program& program = places.program();
    if (range.size < 8 || range.size % 4 != 0 || range.size > program::kMaxText)
        return std::nullopt;
    const auto known = [&](Rva at) {
        const Place place = places.at(at);
        return place.offset == 0 && (place.kind == PlaceKind::function || place.kind == PlaceKind::data);
    };
    for (const Rva base : {Rva{}, range.begin}) {
        std::uint32_t i = 0;
        for (; i < range.size; i += 4) {
            const std::uint32_t word = program.image().read<std::uint32_t>(range.begin + i).value_or(0);
            if (word == 0 || !known(base + word))
                break;
        }
        if (i == range.size)
            return base;
    }
    return std::nullopt;
}

/// In front of a virtual function table lies a pointer to what tells the type of its objects.
bool Contents::same_type_behind(Dependence& on, const Question& question) const {
    if (question.baseline.value < 8 || question.updated.value < 8)
        return true;
    const Rva before{question.baseline.value - 8};
    const Rva after{question.updated.value - 8};
    const bool had = is_type_pointer(pairing_.baseline, before);
    const bool has = is_type_pointer(pairing_.updated, after);
    return had == has && (!has || same_pointer(on, before, after));
}

bool Contents::is_type_pointer(const match::Places& places, Rva at) const {
    const program::Program& program = places.program();
    const auto target = program.pointer_at(at);
    if (!target || !program.pointer_at(at + 8))
        return false;
    if (program::is_object_locator(program.image(), *target))
        return true;
    // The Itanium C++ ABI: a pointer to the virtual functions of type_info, and one to the type's name. The objects'
    // offset in the whole lies in front.
    const auto name = program.pointer_at(*target + 8);
    if (!name || at.value < 8 || !program.pointer_at(*target))
        return false;
    const std::int64_t offset = program.image().read<std::int64_t>(Rva{at.value - 8}).value_or(1);
    const std::string_view text = program.image().string_at(*name, program::kMaxText).value_or("");
    const auto in_name = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '*' ||
               c == '.' || c == '$';
    };
    return offset <= 0 && offset > -kMaxObject && !text.empty() && std::all_of(text.begin(), text.end(), in_name);
}

bool Contents::same_bytes(Dependence& on, Rva baseline, Rva updated, std::uint32_t size) const {
    auto old_bytes = pairing_.baseline.program().image().content({baseline, size});
    auto new_bytes = pairing_.updated.program().image().content({updated, size});
    if (!old_bytes || !new_bytes)
        return false;
    // Fields that begin before the bytes and reach into them count as a whole.
    const auto fields_in = [size](const match::Places& places, Rva at) {
        const std::uint32_t before = std::min(at.value, 7u);
        std::vector<std::int64_t> offsets;
        for (const pe::Relocation& field : places.relocations_in({at - before, size + before}))
            if (field.at.value + std::uint64_t{field.size} > at.value)
                offsets.push_back(std::int64_t{field.at.value} - at.value);
        return offsets;
    };
    const auto old_fields = fields_in(pairing_.baseline, baseline);
    if (old_fields != fields_in(pairing_.updated, updated))
        return false;
    for (const std::int64_t offset : old_fields) {
        if (!same_pointer(on, Rva{static_cast<std::uint32_t>(baseline.value + offset)},
                          Rva{static_cast<std::uint32_t>(updated.value + offset)}))
            return false;
        for (std::int64_t i = std::max<std::int64_t>(offset, 0); i < std::min<std::int64_t>(offset + 8, size); ++i)
            (*old_bytes)[static_cast<std::size_t>(i)] = (*new_bytes)[static_cast<std::size_t>(i)] = 0;
    }
    // Import slots that lie in between are bound by the loader; they count by what they are bound to.
    const auto slots = pairing_.baseline.program().imports();
    auto slot = std::lower_bound(slots.begin(), slots.end(), baseline,
                                 [](const pe::ImportSlot& one, Rva at) { return one.slot < at; });
    for (; slot != slots.end() && slot->slot.value < baseline.value + std::uint64_t{size}; ++slot) {
        const std::uint32_t offset = slot->slot - baseline;
        const pe::ImportSlot* other = pairing_.updated.program().import_at(updated + offset);
        if (!other ||
            !pairing_.same_import(static_cast<std::uint32_t>(slot - slots.begin()),
                                  static_cast<std::uint32_t>(other - pairing_.updated.program().imports().data())))
            return false;
        for (std::uint32_t i = offset; i < size && i < offset + 8; ++i)
            (*old_bytes)[i] = (*new_bytes)[i] = 0;
    }
    // So do words that stand for addresses, as far as they lie inside as a whole.
    const auto words = pairing_.baseline.words_in({baseline, size});
    const auto others = pairing_.updated.words_in({updated, size});
    const auto same_place = [&](const program::AddressWord& a, const program::AddressWord& b) {
        return a.at - baseline == b.at - updated;
    };
    if (!std::equal(words.begin(), words.end(), others.begin(), others.end(), same_place))
        return false;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::uint32_t offset = words[i].at - baseline;
        if (size - offset < 4)
            break;
        if (!same_word(on, words[i], others[i]))
            return false;
        for (std::uint32_t k = offset; k < offset + 4; ++k)
            (*old_bytes)[k] = (*new_bytes)[k] = 0;
    }
    return *old_bytes == *new_bytes;
}

bool Contents::same_word(Dependence& on, const program::AddressWord& baseline,
                         const program::AddressWord& updated) const {
    const auto old_target = pairing_.baseline.program().target_of(baseline);
    const auto new_target = pairing_.updated.program().target_of(updated);
    if (!old_target || !new_target || baseline.indirect != updated.indirect)
        return false;
    return baseline.indirect ? same_pointer(on, *old_target, *new_target) : same_target(on, *old_target, *new_target);
}

bool Contents::same_pointer(Dependence& on, Rva baseline, Rva updated) const {
    const auto old_target = pairing_.baseline.program().pointer_at(baseline);
    const auto new_target = pairing_.updated.program().pointer_at(updated);
    if (!old_target || !new_target)
        return old_target.has_value() == new_target.has_value();
    return same_target(on, *old_target, *new_target);
}

bool Contents::same_target(Dependence& on, Rva old_target, Rva new_target) const {
    const Place from = pairing_.baseline.at(old_target);
    const Place to = pairing_.updated.at(new_target);
    if (from.kind != to.kind)
        return false;
    switch (from.kind) {
    case PlaceKind::function:
    case PlaceKind::gap:
        if (!pairing_.functions.related(from.index, to.index) || from.offset != to.offset)
            return false;
        if (from.offset != 0) {
            on.inner.emplace_back(from.index, to.index);
            return pairing_.functions.same_code(from.index, to.index);
        }
        return true;
    case PlaceKind::import:
        return pairing_.same_import(from.index, to.index);
    case PlaceKind::metadata:
        return from.offset == to.offset && pairing_.same_metadata(from.index, to.index);
    case PlaceKind::data:
        on.questions.push_back({old_target, new_target, 0, false});
        return true;
    case PlaceKind::end:
        return pairing_.same_section(from.index, to.index);
    case PlaceKind::header:
        return from.offset == to.offset;
    case PlaceKind::outside:
        return false;
    }
    return false;
}

} // namespace suture::diff
