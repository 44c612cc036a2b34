#include "patchgen/diff/function_diff.hpp"

#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"
#include "patchgen/match/fingerprint.hpp"
#include "patchgen/program/machine_code.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::diff {

using match::Place;
using match::PlaceKind;
using program::Function;
using program::Reference;
using program::Use;

namespace {

/// Longest part of a string that is quoted.
constexpr std::size_t kMaxQuoted = 32;
/// Bytes of code outside of every function that are compared.
constexpr std::uint32_t kGapBytes = 16;
/// Most bytes of data that nothing names that are compared.
constexpr std::uint32_t kMaxUnknownData = 4096;
/// Most bytes of language-specific handler data that are compared.
constexpr std::uint32_t kMaxHandlerData = 65536;

/// Rank of the function's own jump table at `at`, or nothing.
std::optional<std::size_t> own_table(const Function& function, Rva at) {
    for (std::size_t i = 0; i < function.jump_tables.size(); ++i)
        if (function.jump_tables[i].at == at)
            return i;
    return std::nullopt;
}

/// Bits of the byte at `offset` that hold an address.
std::uint32_t address_bits(const Function& function, std::uint32_t offset) {
    const auto next =
        std::upper_bound(function.references.begin(), function.references.end(), offset,
                         [](std::uint32_t at, const Reference& reference) { return at < reference.offset; });
    if (next == function.references.begin())
        return 0;
    const Reference& reference = *std::prev(next);
    const std::uint32_t byte = offset - reference.offset;
    return byte < reference.size ? program::immediate_mask(reference.kind) >> 8 * (byte % 4) & 0xff : 0;
}

class Comparer {
  public:
    /// `answers`: what compares data; nullptr where that is only asked for.
    Comparer(const Pairing& pairing, const Contents& contents, Contents* answers, std::uint32_t baseline,
             std::uint32_t updated)
        : pairing_(pairing), contents_(contents), answers_(answers), baseline_(baseline), updated_(updated),
          old_(pairing.old_function(baseline)), new_(pairing.new_function(updated)) {}

    std::vector<Contents::Question>& asked() { return asked_; }

    FunctionDiff run() {
        if (!pairing_.functions.same_code(baseline_, updated_)) {
            result_.why = code_difference();
            return std::move(result_);
        }
        for (std::size_t i = 0; i < old_.references.size() && result_.equal(); ++i)
            reference(old_.references[i], new_.references[i]);
        for (std::size_t i = 0; i < old_.jump_tables.size() && result_.equal(); ++i)
            table(old_.jump_tables[i], new_.jump_tables[i]);
        if (result_.equal() && !(old_.decoded && new_.decoded))
            not_understood();
        if (result_.equal())
            unwind();
        return std::move(result_);
    }

  private:
    std::string code_difference() const {
        const Bytes old_code = match::code_of(pairing_.baseline.program(), old_);
        const Bytes new_code = match::code_of(pairing_.updated.program(), new_);
        const auto shared = static_cast<std::uint32_t>(std::min(old_code.size(), new_code.size()));
        for (std::uint32_t i = 0; i < shared; ++i)
            if (((old_code[i] ^ new_code[i]) & ~(address_bits(old_, i) & address_bits(new_, i))) != 0)
                return fmt::format("code differs at +0x{:x}", i);
        if (old_code.size() != new_code.size())
            return fmt::format("code is 0x{:x} bytes, was 0x{:x}", new_code.size(), old_code.size());
        return "branches lead elsewhere inside the function";
    }

    void differ(const Reference& old_one, const Reference& new_one, std::string_view what) {
        result_.why =
            fmt::format("{} at +0x{:x}: {}, was {}", what, new_one.instruction,
                        describe(pairing_.updated, new_one.target), describe(pairing_.baseline, old_one.target));
    }

    void reference(const Reference& old_one, const Reference& new_one) {
        if (old_one.kind == program::ReferenceKind::arm64_page21)
            return; // what goes on from it says where it leads
        if (old_.range.contains(old_one.target))
            return; // where it leads inside is part of the fingerprint
        const auto old_table = own_table(old_, old_one.target);
        const auto new_table = own_table(new_, new_one.target);
        if (old_table || new_table) {
            if (old_table != new_table)
                differ(old_one, new_one, "another jump table");
            return;
        }
        const Place from = pairing_.baseline.at(old_one.target);
        const Place to = pairing_.updated.at(new_one.target);
        if (from.kind != to.kind)
            return differ(old_one, new_one, "refers to something else");
        switch (from.kind) {
        case PlaceKind::function:
        case PlaceKind::gap:
            if (!pairing_.functions.related(from.index, to.index) || from.offset != to.offset)
                return differ(old_one, new_one, "another function");
            if (from.offset != 0)
                result_.inner.emplace_back(from.index, to.index);
            return;
        case PlaceKind::import:
            if (!pairing_.same_import(from.index, to.index))
                differ(old_one, new_one, "another import");
            return;
        case PlaceKind::end:
            if (!pairing_.same_section(from.index, to.index))
                differ(old_one, new_one, "refers to something else");
            return;
        case PlaceKind::header:
        case PlaceKind::outside:
            if (from.offset != to.offset)
                differ(old_one, new_one, "refers to something else");
            return;
        case PlaceKind::metadata:
            if (from.offset != to.offset || !pairing_.same_metadata(from.index, to.index))
                differ(old_one, new_one, "refers to something else");
            return;
        case PlaceKind::data:
            data(old_one, new_one);
            return;
        }
    }

    void data(const Reference& old_one, const Reference& new_one) {
        const std::uint32_t size = old_one.use == Use::read ? old_one.access_size : 0;
        if (!same_content({old_one.target, new_one.target, size}))
            differ(old_one, new_one, "other data");
    }

    /// Where it is only asked for, it may be.
    bool same_content(const Contents::Question& question) {
        if (!answers_) {
            asked_.push_back(question);
            return true;
        }
        const Contents::Node node = answers_->compare(question.baseline, question.updated, question.size);
        if (answers_->same(node))
            result_.contents.push_back(node);
        return answers_->same(node);
    }

    bool same_contents(const Contents::Dependence& on) {
        result_.inner.insert(result_.inner.end(), on.inner.begin(), on.inner.end());
        return std::ranges::all_of(on.questions,
                                   [&](const Contents::Question& question) { return same_content(question); });
    }

    void table(const program::JumpTable& old_table, const program::JumpTable& new_table) {
        for (std::size_t i = 0; i < old_table.targets.size(); ++i) {
            if (old_.range.contains(old_table.targets[i]))
                continue; // part of the fingerprint
            const Place from = pairing_.baseline.at(old_table.targets[i]);
            const Place to = pairing_.updated.at(new_table.targets[i]);
            if (from.kind != PlaceKind::function || to.kind != PlaceKind::function ||
                !pairing_.functions.related(from.index, to.index) || from.offset != to.offset) {
                result_.why = fmt::format("entry {} of a jump table leads elsewhere", i);
                return;
            }
            if (from.offset != 0)
                result_.inner.emplace_back(from.index, to.index);
        }
    }

    /// Code that is not understood has equal bytes, but what these may lead to counts too.
    void not_understood() {
        const auto possible = [](const match::Places& places, const Function& function) {
            const program::Program& program = places.program();
            const Bytes code = match::code_of(program, function);
            return program::machine_code(program.image().machine())
                .possible_references({.begin = function.range.begin,
                                      .bytes = code,
                                      .image_base = program.image().image_base(),
                                      .image_size = program.image().size_of_image(),
                                      .relocations = program.relocations()},
                                     function.instructions.offsets(), function.references);
        };
        const auto before = possible(pairing_.baseline, old_);
        const auto after = possible(pairing_.updated, new_);
        const auto is_other = [](const Reference& a, const Reference& b) {
            return a.offset != b.offset || a.kind != b.kind || a.instruction != b.instruction;
        };
        bool same = before.size() == after.size();
        for (std::size_t i = 0; same && i < after.size(); ++i) {
            const bool inside = old_.range.contains(before[i].target);
            same = !is_other(before[i], after[i]) && inside == new_.range.contains(after[i].target) &&
                   (!inside || before[i].target - old_.range.begin == after[i].target - new_.range.begin);
            if (same && !inside && unknown_data(before[i].target, after[i].target))
                same = same_unknown_data(before[i].target, after[i].target);
            else if (same && !inside)
                reference(before[i], after[i]);
            if (!result_.equal())
                return;
        }
        for (std::size_t i = 0; same && i < old_.references.size(); ++i)
            same = same_table(old_.references[i].target, new_.references[i].target);
        if (!same)
            result_.why = "code that is not understood may lead elsewhere";
    }

    bool unknown_data(Rva old_at, Rva new_at) const {
        return pairing_.baseline.at(old_at).kind == PlaceKind::outside &&
               pairing_.updated.at(new_at).kind == PlaceKind::outside;
    }

    /// Bytes that nothing understood leads to.
    bool same_unknown_data(Rva old_at, Rva new_at) const {
        const pe::Section* from = pairing_.baseline.program().image().section_at(old_at);
        const pe::Section* to = pairing_.updated.program().image().section_at(new_at);
        if (!from || !to || from->writable() || to->writable())
            return from && to ? from->writable() == to->writable() && old_at == new_at : from == to;
        const auto up_to_known = [](const program::Program& program, const pe::Section& section, Rva at) {
            std::uint64_t end = section.range.end();
            const auto next = std::ranges::upper_bound(program.data(), at, {},
                                                       [](const program::DataObject& one) { return one.range.begin; });
            if (next != program.data().end())
                end = std::min<std::uint64_t>(end, next->range.begin.value);
            return static_cast<std::uint32_t>(std::min<std::uint64_t>(end - at.value, kMaxUnknownData));
        };
        const std::uint32_t size = std::min(up_to_known(pairing_.baseline.program(), *from, old_at),
                                            up_to_known(pairing_.updated.program(), *to, new_at));
        const auto a = pairing_.baseline.program().image().content({old_at, size});
        const auto b = pairing_.updated.program().image().content({new_at, size});
        return a && b && *a == *b;
    }

    /// What leads into the function by distances from itself may be a jump table that was not found.
    bool same_table(Rva old_at, Rva new_at) const {
        const auto first = [](const match::Places& places, const Function& function, Rva at) {
            const auto distance = places.program().image().read<std::uint32_t>(at);
            const Rva target = at + distance.value_or(0);
            return distance && !function.range.contains(at) && function.range.contains(target)
                       ? target - function.range.begin
                       : ~0u;
        };
        return first(pairing_.baseline, old_, old_at) == first(pairing_.updated, new_, new_at);
    }

    void unwind() {
        if (old_.unwind.size() != new_.unwind.size()) {
            result_.why = "unwind data differs";
            return;
        }
        for (std::size_t i = 0; i < old_.unwind.size() && result_.equal(); ++i)
            if (!same_unwind(old_.unwind[i], new_.unwind[i]))
                result_.why = "unwind or exception data differs";
        if (result_.equal())
            go_with_handlers();
    }

    /// Catch blocks and destructors of __CxxFrameHandler3 go by the states of their function. Filters do not, and
    /// the function that has one may never be left, as the process's first one.
    void go_with_handlers() {
        const auto from = pairing_.baseline_handlers.tied_to(baseline_);
        const auto to = pairing_.updated_handlers.tied_to(updated_);
        if (from.size() != to.size())
            return; // what is not understood has been compared as it stands
        for (std::size_t i = 0; i < from.size(); ++i) {
            const Place old_place = pairing_.baseline.at(from[i]);
            const Place new_place = pairing_.updated.at(to[i]);
            if (old_place.kind == PlaceKind::function && new_place.kind == PlaceKind::function)
                result_.inner.emplace_back(old_place.index, new_place.index);
        }
    }

    bool same_unwind(const pe::RuntimeFunction& old_entry, const pe::RuntimeFunction& new_entry) {
        if (old_entry.range.size != new_entry.range.size ||
            old_entry.range.begin - old_.range.begin != new_entry.range.begin - new_.range.begin)
            return false;
        if (pairing_.updated.program().image().machine() == Machine::arm64)
            return same_unwind_arm64(old_entry, new_entry);
        const auto a = pe::unwind_info_at(pairing_.baseline.program().image(), old_entry.unwind_info);
        const auto b = pe::unwind_info_at(pairing_.updated.program().image(), new_entry.unwind_info);
        if (!a || !b)
            return false; // what cannot be read cannot be the same
        const auto same_code = [](const pe::UnwindCode& x, const pe::UnwindCode& y) {
            return x.prolog_offset == y.prolog_offset && x.operation == y.operation && x.info == y.info &&
                   x.operand == y.operand;
        };
        if (a->flags != b->flags || a->prolog_size != b->prolog_size || a->frame_register != b->frame_register ||
            a->frame_offset != b->frame_offset ||
            !std::equal(a->codes.begin(), a->codes.end(), b->codes.begin(), b->codes.end(), same_code) ||
            a->handler.has_value() != b->handler.has_value())
            return false;
        if (!a->handler)
            return true;
        return same_target(*a->handler, *b->handler) && same_handler_data(a->handler_data, b->handler_data);
    }

    bool same_unwind_arm64(const pe::RuntimeFunction& old_entry, const pe::RuntimeFunction& new_entry) {
        const auto a = pe::unwind_info_arm64_of(pairing_.baseline.program().image(), old_entry);
        const auto b = pe::unwind_info_arm64_of(pairing_.updated.program().image(), new_entry);
        if (!a || !b || !a->same_frames(*b))
            return false;
        return !a->handler ||
               (same_target(*a->handler, *b->handler) && same_handler_data(a->handler_data, b->handler_data));
    }

    bool same_target(Rva old_target, Rva new_target) {
        const Place from = pairing_.baseline.at(old_target);
        const Place to = pairing_.updated.at(new_target);
        if (from.kind != to.kind || (from.kind != PlaceKind::outside && from.offset != to.offset))
            return false;
        switch (from.kind) {
        case PlaceKind::function:
            if (!pairing_.functions.related(from.index, to.index))
                return false;
            if (from.offset != 0 && from.index != baseline_)
                result_.inner.emplace_back(from.index, to.index);
            return true;
        case PlaceKind::data:
            return same_content({old_target, new_target});
        case PlaceKind::import:
            return pairing_.same_import(from.index, to.index);
        case PlaceKind::gap:
            return pairing_.functions.related(from.index, to.index) && same_gap(old_target, new_target);
        case PlaceKind::outside: { // a pointer that only exception data refers to
            Contents::Dependence on;
            return pairing_.baseline.program().pointer_at(old_target) &&
                   contents_.may_be_same_pointers(old_target, new_target, on) && same_contents(on);
        }
        default:
            return false;
        }
    }

    /// Code that belongs to no function is not understood: it must be the same to the byte.
    bool same_gap(Rva old_at, Rva new_at) const {
        const auto a = pairing_.baseline.program().image().content({old_at, kGapBytes});
        const auto b = pairing_.updated.program().image().content({new_at, kGapBytes});
        return a && b && *a == *b;
    }

    /// Words that are known to stand for addresses count by what they lead to. Else its form is the handler's own
    /// business: bytes that are equal mean the same; 4-byte words that differ may be RVAs or distances from themselves
    /// that lead to the same things.
    bool same_handler_data(Rva old_at, Rva new_at) {
        const std::uint32_t size =
            std::min(handler_data_size(pairing_.baseline, old_at), handler_data_size(pairing_.updated, new_at));
        if (size == 0)
            return true;
        auto a = pairing_.baseline.program().image().content({old_at, size});
        auto b = pairing_.updated.program().image().content({new_at, size});
        if (!a || !b || !same_known_words(old_at, new_at, *a, *b))
            return false;
        for (std::uint32_t i = 0; i < size; ++i) {
            if ((*a)[i] == (*b)[i])
                continue;
            const std::uint32_t word = i & ~3u;
            const auto x = ByteView(*a).read<std::uint32_t>(word);
            const auto y = ByteView(*b).read<std::uint32_t>(word);
            if (!x || !y || (!same_target(Rva{*x}, Rva{*y}) && !same_target(old_at + word + *x, new_at + word + *y)))
                return false;
            i = word + 3;
        }
        return true;
    }

    /// Compares them, and clears them in both.
    bool same_known_words(Rva old_at, Rva new_at, Bytes& a, Bytes& b) {
        const auto size = static_cast<std::uint32_t>(a.size());
        const auto words = pairing_.baseline.words_in({old_at, size});
        const auto others = pairing_.updated.words_in({new_at, size});
        if (words.size() != others.size())
            return false;
        for (std::size_t i = 0; i < words.size(); ++i) {
            const std::uint32_t offset = words[i].at - old_at;
            Contents::Dependence on;
            if (offset != others[i].at - new_at || !contents_.may_be_same_words(words[i], others[i], on) ||
                !same_contents(on))
                return false;
            for (std::uint32_t k = offset; k < std::min(offset + 4, size); ++k)
                a[k] = b[k] = 0;
        }
        return true;
    }

    /// To the next unwind data, or the end of the section.
    static std::uint32_t handler_data_size(const match::Places& places, Rva at) {
        const match::Metadata* next = places.metadata_from(at);
        const pe::Section* section = places.program().image().section_at(at);
        std::uint64_t end = section ? section->range.end() : at.value;
        if (next)
            end = std::min<std::uint64_t>(end, next->range.begin.value);
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(end - at.value, kMaxHandlerData));
    }

    const Pairing& pairing_;
    const Contents& contents_;
    Contents* answers_;
    std::vector<Contents::Question> asked_;
    std::uint32_t baseline_;
    std::uint32_t updated_;
    const Function& old_;
    const Function& new_;
    FunctionDiff result_;
};

std::string quoted(std::string_view text) {
    std::string result;
    for (const char c : text.substr(0, kMaxQuoted))
        result += c >= ' ' && c <= '~' && c != '"' && c != '\\'
                      ? std::string(1, c)
                      : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return fmt::format("\"{}\"{}", result, text.size() > kMaxQuoted ? "..." : "");
}

} // namespace

std::string describe(const match::Places& places, Rva at) {
    const program::Program& program = places.program();
    const Place place = places.at(at);
    const auto with_offset = [&](const std::string& name) {
        return place.offset == 0 ? name : fmt::format("{}+0x{:x}", name, place.offset);
    };
    switch (place.kind) {
    case PlaceKind::function:
    case PlaceKind::gap:
        return with_offset(program.functions()[place.index].display_name());
    case PlaceKind::import: {
        const pe::ImportSlot& slot = program.imports()[place.index];
        return slot.name.empty() ? fmt::format("{}!#{}", slot.dll, slot.ordinal)
                                 : fmt::format("{}!{}", slot.dll, slot.name);
    }
    case PlaceKind::header:
        return fmt::format("header+0x{:x}", place.offset);
    case PlaceKind::metadata:
        return fmt::format("linker data at +0x{:x}", at.value);
    case PlaceKind::data: {
        const program::DataObject& object = program.data()[place.index];
        const Contents::Extent extent = Contents::extent_of(places, at);
        if (extent.text)
            if (const auto text = program.image().string_at(at, extent.size))
                return fmt::format("string {}", quoted(*text));
        return object.names.empty() ? fmt::format("data at +0x{:x}", at.value) : with_offset(object.names.front());
    }
    case PlaceKind::end:
        return fmt::format("end of {}", program.image().sections()[place.index].name);
    case PlaceKind::outside:
        break;
    }
    return fmt::format("+0x{:x}", at.value);
}

FunctionDiff compare_functions(const Pairing& pairing, Contents& contents, std::uint32_t baseline,
                               std::uint32_t updated) {
    return Comparer(pairing, contents, &contents, baseline, updated).run();
}

std::optional<Contents::Dependence> compare_but_for_data(const Pairing& pairing, const Contents& contents,
                                                         std::uint32_t baseline, std::uint32_t updated) {
    Comparer comparer(pairing, contents, nullptr, baseline, updated);
    FunctionDiff diff = comparer.run();
    if (!diff.equal())
        return std::nullopt;
    return Contents::Dependence{std::move(comparer.asked()), std::move(diff.inner)};
}

} // namespace suture::diff
