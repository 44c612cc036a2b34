#include "patchgen/diff/emission.hpp"

#include "engine/pe/unwind_x64.hpp"
#include "patchgen/diff/function_diff.hpp"
#include "patchgen/match/sections.hpp"
#include "patchgen/program/counting.hpp"
#include "patchgen/program/reach_back.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace suture::diff {

using match::Place;
using match::PlaceKind;
using program::DataObject;
using program::Function;
using program::Reference;
using program::Use;

namespace {

/// Largest data that is copied where its end is not known, in bytes.
constexpr std::uint32_t kMaxUnknownExtent = 1u << 20;
/// Largest alignment that data is taken to need: that of the widest vector registers.
constexpr std::uint32_t kMaxAlignment = 64;
/// Tables of functions follow each other without end in Rust's images; one that has no name is not looked for beyond
/// this, in bytes.
constexpr std::uint32_t kMaxTable = 4096;
/// Smallest access, in bytes, that may have to be aligned.
constexpr std::uint32_t kSmallestVector = 16;
/// Most fields of exception data that are copied; each is kept for every function that shares it.
constexpr std::uint64_t kMaxHandlerFields = std::uint64_t{1} << 22;

/// Data objects of the updated image that are copied, joined where what is copied must stay together.
class Copies {
  public:
    explicit Copies(const match::Places& places)
        : places_(places), copied_(places.program().data().size()), joined_(copied_.size()), read_(copied_.size()) {}

    /// Each returns true if that is news.
    bool copy(std::uint32_t object) { return set(copied_, object); }
    bool join_with_next(std::uint32_t object) {
        const bool first = copy(object);
        const bool second = copy(object + 1);
        return set(joined_, object) || first || second;
    }
    /// The first `size` bytes of the object are read, whatever they look like.
    bool read(std::uint32_t object, std::uint32_t size) {
        const bool more = size > read_[object];
        read_[object] = std::max(read_[object], size);
        return copy(object) || more;
    }
    bool contains(std::uint32_t object) const { return copied_[object]; }
    std::uint32_t first_of(std::uint32_t object) const {
        while (object > 0 && joined_[object - 1])
            --object;
        return object;
    }
    std::uint32_t last_of(std::uint32_t object) const {
        while (joined_[object])
            ++object;
        return object;
    }
    /// All of what is copied together with the object; linker data behind it excluded.
    RvaRange region_of(std::uint32_t object) const {
        const auto data = places_.program().data();
        const Rva begin = data[first_of(object)].range.begin;
        const DataObject& last = data[last_of(object)];
        const Contents::Extent extent = Contents::extent_of(places_, last.range.begin);
        // Of text just the string is needed; its tail may be an object of its own.
        const std::uint64_t end =
            last.range.begin.value +
            std::uint64_t{extent.text ? std::max({extent.size, read_[last_of(object)], 1u}) : extent.size};
        return {begin, static_cast<std::uint32_t>(end - begin.value)};
    }
    std::vector<std::uint32_t> firsts() const {
        std::vector<std::uint32_t> result;
        for (std::uint32_t i = 0; i < copied_.size(); ++i)
            if (copied_[i] && (i == 0 || !joined_[i - 1]))
                result.push_back(i);
        return result;
    }

  private:
    static bool set(std::vector<bool>& flags, std::uint32_t index) {
        if (index >= flags.size() || flags[index])
            return false;
        return flags[index] = true;
    }

    const match::Places& places_;
    std::vector<bool> copied_;
    std::vector<bool> joined_;
    std::vector<std::uint32_t> read_;
};

class Collector {
  public:
    Collector(const Pairing& pairing, Contents& contents, const std::set<Edge>& changed,
              const std::set<std::uint32_t>& parts)
        : pairing_(pairing), contents_(contents), parts_(parts), old_(pairing.baseline.program()),
          new_(pairing.updated.program()), copies_(pairing.updated), is_emitted_(new_.functions().size()) {
        for (const auto& [b, u] : changed)
            add_function(u, b);
    }

    Emission run() {
        // What is copied and what is added only grows: each pass sees all that the ones before it found.
        do {
            grown_ = false;
            result_ = {};
            told_.clear();
            fields_left_ = kMaxHandlerFields;
            resolve_functions();
            resolve_data();
            keep_boundaries();
        } while (grown_);
        finish();
        return std::move(result_);
    }

  private:
    /// Who a reference belongs to: an emitted function, or a piece of copied data.
    struct Owner {
        std::optional<std::uint32_t> function;
        Rva at;
    };

    void refuse(const Owner& owner, Code code, std::string detail) {
        Error error = Error(code, std::move(detail)).in_image(new_.path()).at(owner.at);
        if (owner.function)
            error.in_function(pairing_.new_function(*owner.function).display_name());
        const auto [known, fresh] =
            told_.try_emplace({code, error.place().function, error.detail()}, result_.refusals.size());
        if (owner.function)
            result_.refused.emplace(*owner.function, known->second);
        if (fresh)
            result_.refusals.push_back(std::move(error));
    }

    std::string describe_target(Rva at) const { return describe(pairing_.updated, at); }

    void add_function(std::uint32_t updated, std::optional<std::uint32_t> baseline) {
        emitted_.emplace(updated, baseline);
        is_emitted_[updated] = true;
    }

    void resolve_functions() {
        functions_.clear();
        // Functions that this adds are seen in this same walk or in the next pass.
        for (auto next = emitted_.begin(); next != emitted_.end(); ++next) {
            const Function& function = pairing_.new_function(next->first);
            EmittedFunction emitted;
            emitted.updated = &function;
            if (next->second && !parts_.contains(next->first))
                emitted.baseline = &pairing_.old_function(*next->second);
            const Owner owner{next->first, function.range.begin};
            check_function(owner, function, next->second);
            emitted.serves_baseline = handlers_.contains(next->first);
            resolve_handlers(owner, function, emitted);
            if (is_relocated_at_start(function.range))
                refuse(owner, Code::data_relative,
                       "its code holds the address of an imported variable that the runtime fills in");
            emitted.destinations.reserve(function.references.size());
            for (const Reference& reference : function.references)
                emitted.destinations.push_back(resolve_reference(
                    {next->first, function.range.begin + reference.instruction}, function, reference));
            for (const program::JumpTable& table : function.jump_tables)
                for (const Rva target : table.targets)
                    emitted.table_destinations.push_back(
                        resolve_code(owner, target, pairing_.updated.at(target), false));
            functions_.emplace_hint(functions_.end(), next->first, std::move(emitted));
        }
    }

    static bool loops_to_entry(const Function& function) {
        return std::any_of(function.references.begin(), function.references.end(), [&](const Reference& reference) {
            return program::is_branch(reference.kind) && reference.target == function.range.begin;
        });
    }

    void check_function(const Owner& owner, const Function& function, std::optional<std::uint32_t> baseline) {
        if (!function.decoded)
            refuse(owner, Code::not_decoded, function.undecoded);
        if (baseline && !pairing_.old_function(*baseline).decoded)
            refuse(owner, Code::not_decoded,
                   fmt::format("in the baseline: {}", pairing_.old_function(*baseline).undecoded));
        if (!baseline)
            for (const auto& [index, detail] : pairing_.functions.conflicts)
                if (index == *owner.function)
                    refuse(owner, Code::match_ambiguous, detail);
    }

    /// Handlers are told where things are by what is added to the base of the image that the code is in: the package.
    void resolve_handlers(const Owner& owner, const Function& function, EmittedFunction& emitted) {
        for (const HandlerEntry& entry : handlers_of(new_, function)) {
            const auto refuse_handler = [&](std::string_view why) {
                refuse(owner, Code::exception_handler,
                       fmt::format("the handler is {}: {}", describe_target(entry.handler), why));
            };
            if ((pairing_.baseline.program().load_config().guard_flags & pe::kGuardContinuationTable) != 0) {
                refuse_handler("the baseline lists where code may go on after an exception, and nothing adds to that");
                return;
            }
            const program::HandlerForm form = program::form_of_handler(new_, entry.handler);
            if (form == program::HandlerForm::unknown) {
                refuse_handler("what its data means is not known");
                return;
            }
            auto content = program::handler_data_of(new_, form, entry.function, entry.data, fields_left_);
            if (!content) {
                refuse_handler(content.error().detail());
                return;
            }
            EmittedHandler handler{entry.function.unwind_info, entry.data, {}, std::move(*content), {}};
            handler.handler = resolve_own(owner, entry.handler, true);
            for (const program::HandlerField& field : handler.content.fields)
                handler.destinations.push_back(resolve_field(owner, field));
            emitted.handlers.push_back(std::move(handler));
        }
    }

    Destination resolve_field(const Owner& owner, const program::HandlerField& field) {
        using Kind = program::HandlerField::Kind;
        switch (field.kind) {
        case Kind::code:
            return resolve_own(owner, field.target, false);
        case Kind::code_end: {
            Destination last = resolve_own(owner, field.target - 1, false);
            if (auto* to = std::get_if<ToEmitted>(&last))
                ++to->offset;
            return last;
        }
        case Kind::known:
        case Kind::pointer: {
            // Descriptions of types are told apart by their addresses, some of them by nothing else.
            const Destination type = resolve(owner, field.target, Use::address, 0);
            if (!std::holds_alternative<ToBaseline>(type))
                refuse(owner, Code::exception_handler,
                       fmt::format("what it catches is described by {}, which the baseline does not have",
                                   describe_target(field.target)));
            return type;
        }
        case Kind::block:
        case Kind::distance:
            break;
        }
        return ToBaseline{};
    }

    /// Code that must be in the package, wherever else it is.
    Destination resolve_own(const Owner& owner, Rva target, bool is_handler) {
        const Function* function = new_.function_at(target);
        if (!function) {
            // The fill behind a function is emitted with it as far as its unwind data covers it.
            const Place gap = pairing_.updated.at(target);
            function = gap.kind == PlaceKind::gap ? &new_.functions()[gap.index] : nullptr;
            const bool covered = function && std::ranges::any_of(function->unwind, [&](const auto& entry) {
                                     return entry.range.contains(target);
                                 });
            if (!covered) {
                refuse(owner, Code::exception_handler,
                       fmt::format("its data leads to +0x{:x}, which is in no function", target.value));
                return ToBaseline{};
            }
        }
        const std::uint32_t index = pairing_.updated.index_of(*function);
        if (!is_emitted_[index]) {
            add_function(index, std::nullopt);
            grown_ = true;
        }
        if (is_handler)
            grown_ |= handlers_.insert(index).second;
        return ToEmitted{function->range.begin, target - function->range.begin};
    }

    Destination resolve_reference(const Owner& owner, const Function& function, const Reference& reference) {
        // Which page it must be follows from where its users lead.
        if (reference.kind == program::ReferenceKind::arm64_page21)
            return ToBaseline{};
        // A function that takes its own address takes the one that everybody else knows it by.
        const bool own_address =
            reference.target == function.range.begin && reference.use != Use::call && reference.use != Use::jump;
        if (function.range.contains(reference.target) && !own_address)
            return ToEmitted{function.range.begin, reference.target - function.range.begin};
        for (const program::JumpTable& table : function.jump_tables)
            if (table.range().contains(reference.target))
                return ToData{table.at, reference.target - table.at};
        const std::uint32_t size =
            reference.use == Use::read || reference.use == Use::write ? reference.access_size : 0;
        if (const std::uint32_t front = front_of(function, reference); front != 0)
            return resolve_with_front(owner, reference, front);
        if (size == 0 && is_counted_from(function, reference))
            return resolve_read_only(owner, reference.target, pairing_.updated.at(reference.target), 0, true);
        return resolve(owner, reference.target, reference.use, size);
    }

    /// Bytes in front of what a reference leads to that the function gets to.
    std::uint32_t front_of(const Function& function, const Reference& reference) {
        const DataObject* before = takes_address(reference) ? new_.data_at(Rva{reference.target.value - 1}) : nullptr;
        const pe::Section* section = before ? new_.image().section_at(before->range.begin) : nullptr;
        if (!section || section->executable() || pairing_.updated.at(reference.target).kind == PlaceKind::metadata)
            return 0;
        const auto [known, fresh] = fronts_.try_emplace({function.range.begin, reference.offset}, 0);
        if (fresh)
            known->second =
                program::bytes_in_front(new_, program::reach_back(new_, function, reference), reference.target);
        return known->second;
    }

    /// An address that code counts back from: what lies in front must lie there too, and may be all that is meant.
    Destination resolve_with_front(const Owner& owner, const Reference& reference, std::uint32_t size) {
        const Rva target = reference.target;
        const DataObject* first = new_.data_at(target - size);
        const DataObject* last = new_.data_at(Rva{target.value - 1});
        const Place behind = pairing_.updated.at(target);
        const bool is_inside = behind.kind == PlaceKind::data && new_.data_at(target) == last;
        if (!first || !last) {
            refuse(owner, Code::reference_unresolved,
                   fmt::format("nothing is known {} bytes in front of +0x{:x}", size, target.value));
            return ToBaseline{};
        }
        if (last->writable && is_inside)
            return resolve(owner, target, Use::address, 0);
        if (last->writable) {
            Destination front = resolve(owner, last->range.begin, Use::address, 0);
            const std::uint32_t distance = target - last->range.begin;
            if (auto* to = std::get_if<ToBaseline>(&front))
                to->rva = to->rva + distance;
            else if (auto* copied = std::get_if<ToData>(&front))
                copied->offset += distance;
            if (behind.kind == PlaceKind::data && resolve(owner, target, Use::address, 0) != front)
                refuse(owner, Code::data_boundary_ambiguous,
                       fmt::format("{} or the end of {}", describe_target(target), describe_target(last->range.begin)));
            return front;
        }
        if (!copies_.contains(pairing_.updated.index_of(*last)))
            for (const Rva baseline : baselines_of(target))
                if (baseline.value >= size && contents_.same(baseline - size, target - size, size) &&
                    (behind.kind != PlaceKind::data || contents_.same(baseline, target, 0)))
                    return ToBaseline{baseline};
        std::uint32_t end = pairing_.updated.index_of(*last);
        if (behind.kind == PlaceKind::data && !new_.data()[behind.index].writable)
            end = behind.index;
        copy_with_unnamed_tail(end, false);
        for (std::uint32_t i = pairing_.updated.index_of(*first); i < end; ++i) {
            copy(i);
            grown_ |= copies_.join_with_next(i);
            check_copy(owner, {PlaceKind::data, i, 0}, 0);
        }
        const RvaRange region = copies_.region_of(end);
        return ToData{region.begin, target - region.begin};
    }

    /// Where the baseline may have what lies at and in front of an address.
    std::vector<Rva> baselines_of(Rva target) const {
        std::vector<Rva> found;
        for (const Rva at : {target, Rva{target.value - 1}}) {
            const Place place = pairing_.updated.at(at);
            if (place.kind != PlaceKind::data)
                continue;
            const std::uint32_t more = target - at;
            const Counterpart& counterpart = pairing_.data.counterpart(place.index);
            if (counterpart.kind == Counterpart::Kind::paired)
                found.push_back(counterpart.baseline + place.offset + more);
            for (const std::uint32_t candidate : pairing_.data.votes(place.index))
                found.push_back(old_.data()[candidate].range.begin + place.offset + more);
        }
        return found;
    }

    bool is_counted_from(const Function& function, const Reference& reference) {
        if (program::is_branch(reference.kind) || pairing_.updated.at(reference.target).kind != PlaceKind::data)
            return false;
        const std::uint32_t size = Contents::countable_from(pairing_.updated, reference.target);
        if (size == 0)
            return false;
        const auto [known, fresh] = counted_.try_emplace({function.range.begin, reference.offset}, false);
        if (fresh)
            known->second = program::counts_from(new_, function, reference, size);
        return known->second;
    }

    /// Where something of the updated image is when the package lies over the baseline.
    Destination resolve(const Owner& owner, Rva target, Use use, std::uint32_t size) {
        const Place place = pairing_.updated.at(target);
        switch (place.kind) {
        case PlaceKind::function:
            return resolve_code(owner, target, place, use != Use::call && use != Use::jump);
        case PlaceKind::gap:
            return resolve_gap(owner, target, place);
        case PlaceKind::import:
            return resolve_import(place);
        case PlaceKind::header:
            return ToBaseline{target};
        case PlaceKind::metadata:
            return resolve_metadata(owner, target, place);
        case PlaceKind::data:
            return new_.data()[place.index].writable ? resolve_writable(owner, target, place, size)
                                                     : resolve_read_only(owner, target, place, size);
        case PlaceKind::end:
            if (const pe::Section* section =
                    match::section_like(old_.image(), new_.image(), new_.image().sections()[place.index]))
                return ToBaseline{Rva{static_cast<std::uint32_t>(section->range.end())}};
            break;
        case PlaceKind::outside:
            break;
        }
        refuse(owner, Code::reference_unresolved, fmt::format("nothing is known at +0x{:x}", target.value));
        return ToBaseline{};
    }

    /// `identity`: the address itself counts, and must be the one that the process knows.
    Destination resolve_code(const Owner& owner, Rva target, const Place& place, bool identity) {
        if (place.kind != PlaceKind::function) {
            refuse(owner, Code::reference_unresolved, fmt::format("code at +0x{:x} is in no function", target.value));
            return ToBaseline{};
        }
        const Rva entry = pairing_.new_function(place.index).range.begin;
        const auto& partners = pairing_.functions.to_baseline[place.index];
        // A separated part is unwound as the function is that it belongs to.
        const bool emitted = is_emitted_[place.index] || is_part_of_emitted(place.index);
        if (partners.empty() || (emitted && (!identity || place.offset != 0 || parts_.contains(place.index)))) {
            if (!is_emitted_[place.index]) {
                add_function(place.index, std::nullopt);
                grown_ = true;
            }
            return ToEmitted{entry, place.offset};
        }
        if (identity && partners.size() > 1)
            refuse(
                owner, Code::folded_function,
                fmt::format("the address of {} is that of several functions in the baseline", describe_target(entry)));
        return ToBaseline{pairing_.old_function(partners.front()).range.begin + place.offset};
    }

    bool is_part_of_emitted(std::uint32_t index) const {
        const Function& function = pairing_.new_function(index);
        if (function.unwind.empty() || new_.image().machine() == Machine::arm64)
            return false;
        const auto info = pe::unwind_info_at(new_.image(), function.unwind.front().unwind_info);
        const Function* whole = info && info->chained ? new_.function_at(info->chained->range.begin) : nullptr;
        return whole && whole != &function && is_emitted_[pairing_.updated.index_of(*whole)];
    }

    /// Bytes in a code section behind a function: the same as in the baseline where that function is.
    Destination resolve_gap(const Owner& owner, Rva target, const Place& place) {
        const auto& partners = pairing_.functions.to_baseline[place.index];
        if (partners.size() == 1 && !is_emitted_[place.index])
            return ToBaseline{pairing_.old_function(partners.front()).range.begin + place.offset};
        refuse(owner, Code::reference_unresolved, fmt::format("+0x{:x} is in no function", target.value));
        return ToBaseline{};
    }

    Destination resolve_import(const Place& place) {
        const pe::ImportSlot& slot = new_.imports()[place.index];
        const auto slots = old_.imports();
        for (std::uint32_t i = 0; i < slots.size(); ++i)
            if (pairing_.same_import(i, place.index))
                return ToBaseline{slots[i].slot};
        return ToNewImport{slot.dll, slot.name, slot.name.empty() ? slot.ordinal : std::uint16_t{0}};
    }

    Destination resolve_metadata(const Owner& owner, Rva target, const Place& place) {
        const auto list = pairing_.baseline.metadata();
        for (std::uint32_t i = 0; i < list.size(); ++i)
            if (list[i].kind != match::Metadata::Kind::jump_table && pairing_.same_metadata(i, place.index) &&
                place.offset < list[i].range.size)
                return ToBaseline{list[i].range.begin + place.offset};
        // A table of another function that is emitted is encoded anew with it.
        const match::Metadata& own = pairing_.updated.metadata()[place.index];
        const Place table_owner = pairing_.updated.at(Rva{own.key});
        if (own.kind == match::Metadata::Kind::jump_table && table_owner.kind == PlaceKind::function &&
            is_emitted_[table_owner.index])
            return ToData{own.range.begin, place.offset};
        refuse(owner, Code::reference_unresolved, fmt::format("linker data at +0x{:x}", target.value));
        return ToBaseline{};
    }

    Destination resolve_writable(const Owner& owner, Rva target, const Place& place, std::uint32_t size) {
        const Counterpart& counterpart = pairing_.data.counterpart(place.index);
        const DataObject& object = new_.data()[place.index];
        switch (counterpart.kind) {
        case Counterpart::Kind::paired: {
            const DataObject* earlier = old_.data_at(counterpart.baseline);
            const std::uint64_t room = earlier ? room_of(pairing_.baseline, *earlier, counterpart.baseline) : 0;
            // Without a name, what lies behind the next address may or may not belong to the object.
            const std::uint64_t whole =
                object.names.empty() ? object.range.size : room_of(pairing_.updated, object, object.range.begin);
            const std::uint64_t needed = size != 0 ? std::uint64_t{place.offset} + size : whole;
            if (needed > room)
                refuse(owner, Code::data_resized,
                       fmt::format("{} reaches over {} bytes, in the baseline over {}",
                                   describe_target(object.range.begin), needed, room));
            if (!as_aligned(counterpart.baseline + place.offset, target, size))
                refuse(owner, Code::data_unmapped,
                       fmt::format("{} is accessed {} bytes at a time, and lies at no multiple of that in the baseline",
                                   describe_target(target), size));
            return ToBaseline{counterpart.baseline + place.offset};
        }
        case Counterpart::Kind::fresh:
            copy_with_unnamed_tail(place.index, true);
            return to_copy(target);
        case Counterpart::Kind::unknown:
            break;
        }
        refuse(owner, Code::data_unmapped, fmt::format("{}: {}", describe_target(target), counterpart.detail));
        return ToBaseline{};
    }

    /// Vector instructions that want their operand aligned fault where it is not.
    static bool as_aligned(Rva baseline, Rva updated, std::uint32_t size) {
        return size < kSmallestVector || !std::has_single_bit(size) || updated.value % size != 0 ||
               baseline.value % size == 0;
    }

    /// Bytes from `at` to the end of the object, with the unnamed addresses behind it that may lie inside it.
    static std::uint64_t room_of(const match::Places& places, const DataObject& object, Rva at) {
        const DataObject* last = &object;
        if (!object.size_known) {
            const auto data = places.program().data();
            for (std::size_t i = places.index_of(object) + std::size_t{1};
                 i < data.size() && !last->closed && data[i].names.empty() && !data[i].size_known &&
                 data[i].range.begin.value == last->range.end();
                 ++i)
                last = &data[i];
        }
        return last->range.end() - at.value;
    }

    /// `counted`: texts that follow may belong to it.
    Destination resolve_read_only(const Owner& owner, Rva target, const Place& place, std::uint32_t size,
                                  bool counted = false) {
        if (!copies_.contains(place.index))
            if (const auto baseline = same_in_baseline(target, place, size, counted))
                return ToBaseline{*baseline};
        if (size == 0)
            copy_with_unnamed_tail(place.index, false, counted);
        else
            copy(place.index);
        // A read may reach over several objects.
        const std::uint64_t end = target.value + std::uint64_t{size};
        std::uint32_t last = place.index;
        while (size != 0 && last + 1 < new_.data().size() && end > new_.data()[last].range.end() &&
               new_.data()[last + 1].range.begin.value == new_.data()[last].range.end())
            grown_ |= copies_.join_with_next(last++);
        const RvaRange& read = new_.data()[last].range;
        if (size != 0)
            grown_ |= copies_.read(last, static_cast<std::uint32_t>(std::min(end, read.end()) - read.begin.value));
        check_copy(owner, place, size);
        return to_copy(target);
    }

    /// A place in the baseline that holds the same for this use.
    std::optional<Rva> same_in_baseline(Rva target, const Place& place, std::uint32_t size, bool counted) {
        const auto same = [&](Rva baseline) {
            return contents_.same(baseline, target, size) &&
                   (!counted || contents_.same(contents_.compare_counted(baseline, target)));
        };
        const Counterpart& counterpart = pairing_.data.counterpart(place.index);
        if (counterpart.kind == Counterpart::Kind::paired) {
            const Rva baseline = counterpart.baseline + place.offset;
            if (pairing_.baseline.at(baseline).kind == PlaceKind::data && as_aligned(baseline, target, size) &&
                same(baseline))
                return baseline;
        }
        for (const std::uint32_t candidate : pairing_.data.votes(place.index)) {
            const RvaRange range = old_.data()[candidate].range;
            if (place.offset < range.size && as_aligned(range.begin + place.offset, target, size) &&
                same(range.begin + place.offset))
                return range.begin + place.offset;
        }
        return std::nullopt;
    }

    void copy(std::uint32_t object) { grown_ |= copies_.copy(object); }

    /// Copies an object with the unnamed ones behind it, which may be parts of it.
    void copy_with_unnamed_tail(std::uint32_t object, bool writable, bool counted = false) {
        copy(object);
        const auto data = new_.data();
        const Rva begin = data[object].range.begin;
        if (!counted && Contents::extent_of(pairing_.updated, begin).exact)
            return;
        for (std::uint32_t i = object; i + 1 < data.size(); ++i) {
            const DataObject& next = data[i + 1];
            if (data[i].closed || next.range.begin.value != data[i].range.end() ||
                !Contents::may_go_on(pairing_.updated, data[i], next) ||
                pairing_.updated.at(next.range.begin).kind != PlaceKind::data ||
                (writable && pairing_.data.counterpart(i + 1).kind != Counterpart::Kind::fresh))
                break;
            // Literals lie behind tables of pointers; behind anything else, text may be the last member.
            const bool text = !counted && Contents::extent_of(pairing_.updated, next.range.begin).text;
            if (text && (new_.pointer_at(Rva{next.range.begin.value - 8}) ||
                         !pairing_.updated.words_in({Rva{next.range.begin.value - 4}, 4}).empty()))
                break;
            if (next.range.begin - begin > kMaxUnknownExtent) {
                too_long_.insert(begin);
                break;
            }
            grown_ |= copies_.join_with_next(i);
            if (text)
                break;
        }
    }

    Destination to_copy(Rva target) const {
        const Place place = pairing_.updated.at(target);
        const RvaRange region = copies_.region_of(place.index);
        return ToData{region.begin, target - region.begin};
    }

    /// Bytes of the table of functions that an object is or begins with; 0 if there is none. Where nothing says how
    /// large the object is, the table ends with its last function: text that changes behind it changes no table. It
    /// goes on into what has no name, where it fills the object and a function follows.
    static std::uint32_t functions_from(const match::Places& places, const DataObject& object) {
        const auto data = places.program().data();
        const Rva begin = object.range.begin;
        std::uint32_t size = 0;
        for (std::size_t i = places.index_of(object); i < data.size(); ++i) {
            const RvaRange range = data[i].range;
            std::uint32_t last = 0;
            for (const pe::Relocation& field : places.relocations_in(range)) {
                const auto target = places.program().pointer_at(field.at);
                if (!target || places.at(*target).kind != PlaceKind::function || places.at(*target).offset != 0)
                    continue;
                if (last == 0 && i != places.index_of(object) && field.at != range.begin)
                    return size;
                last = field.at - begin + 8;
            }
            if (last == 0)
                break;
            size = last;
            const bool goes_on = size == range.end() - begin.value && size < kMaxTable && !data[i].closed &&
                                 i + 1 < data.size() && data[i + 1].range.begin.value == range.end() &&
                                 data[i + 1].names.empty() && !data[i + 1].size_known;
            if (!goes_on)
                break;
        }
        return size;
    }

    /// A copy is no replacement for what live objects already point to.
    void check_copy(const Owner& owner, const Place& place, std::uint32_t size) {
        const DataObject& object = new_.data()[place.index];
        const Counterpart& counterpart = pairing_.data.counterpart(place.index);
        std::optional<Rva> earlier;
        if (counterpart.kind == Counterpart::Kind::paired)
            earlier = counterpart.baseline;
        else if (!pairing_.data.votes(place.index).empty())
            earlier = old_.data()[pairing_.data.votes(place.index).front()].range.begin;
        if (size != 0 || !earlier || contents_.same(*earlier, object.range.begin, 0))
            return;
        const DataObject* before = old_.data_at(*earlier);
        const std::uint32_t functions =
            std::max(functions_from(pairing_.updated, object), before ? functions_from(pairing_.baseline, *before) : 0);
        const bool known = object.size_known || !object.names.empty();
        if (functions != 0 && (known || !same_functions(*earlier, object.range.begin, functions)))
            refuse(owner, Code::vtable_changed,
                   fmt::format("{} at +0x{:x} differs from the baseline's at +0x{:x}",
                               describe_target(object.range.begin), object.range.begin.value, earlier->value));
    }

    /// Also what the pointer in front of a table of virtual functions leads to: it says what type has them.
    bool same_functions(Rva baseline, Rva updated, std::uint32_t size) {
        const auto has_description = [](const match::Places& places, Rva at) {
            const auto target = at.value >= 8 ? places.program().pointer_at(at - 8) : std::nullopt;
            return target && places.at(*target).kind != PlaceKind::function;
        };
        if (has_description(pairing_.baseline, baseline) && has_description(pairing_.updated, updated))
            return contents_.same(baseline - 8, updated - 8, size + 8);
        return contents_.same(baseline, updated, size);
    }

    bool is_relocated_at_start(RvaRange range) const {
        const auto fields = new_.runtime_fields();
        const auto next = std::ranges::lower_bound(fields, range.begin, {}, &RvaRange::begin);
        return (next != fields.end() && next->overlaps(range)) ||
               (next != fields.begin() && std::prev(next)->overlaps(range));
    }

    void resolve_data() {
        data_.clear();
        for (const Rva begin : too_long_)
            refuse({std::nullopt, begin}, Code::data_extent_unknown,
                   fmt::format("{} may reach over more than {} bytes", describe_target(begin), kMaxUnknownExtent));
        for (const std::uint32_t first : copies_.firsts()) {
            const RvaRange region = copies_.region_of(first);
            EmittedData data;
            data.object = new_.data()[first];
            data.object.range = region;
            data.alignment =
                std::min(kMaxAlignment, std::uint32_t{1} << std::min(31, std::countr_zero(region.begin.value)));
            const Owner owner{std::nullopt, region.begin};
            for (const pe::Relocation& field : pairing_.updated.relocations_in(region)) {
                const auto target = new_.pointer_at(field.at);
                if (!target || field.at.value + std::uint64_t{8} > region.end()) {
                    refuse(owner, Code::data_relative, fmt::format("the field at +0x{:x}", field.at.value));
                    continue;
                }
                data.pointers.emplace_back(field.at - region.begin, resolve(owner, *target, Use::address, 0));
            }
            if (is_relocated_at_start(region))
                refuse(owner, Code::data_relative,
                       fmt::format("{} holds the address of an imported variable that the runtime fills in",
                                   describe_target(region.begin)));
            resolve_words(owner, region, data);
            const auto base = data.pointers.empty() && data.distances.empty()
                                  ? Contents::base_of_words(pairing_.updated, region)
                                  : std::nullopt;
            if (base && (base->value == 0 || is_address_taken(region)))
                refuse(owner, Code::data_relative,
                       fmt::format("{} looks like a table of distances or RVAs", describe_target(region.begin)));
            data_.emplace(region.begin, std::move(data));
        }
    }

    /// Whether code that knows where something lies could add its words to that. Reading it needs no address.
    bool is_address_taken(RvaRange region) {
        if (!taken_) {
            std::vector<Rva>& all = taken_.emplace();
            for (const Function& function : new_.functions())
                for (const Reference& reference : function.references)
                    if (program::has_target(reference.kind) && (reference.use != Use::read || !reference.access_size))
                        all.push_back(reference.target);
            for (const pe::Relocation& field : new_.relocations())
                if (const auto target = new_.pointer_at(field.at))
                    all.push_back(*target);
            std::ranges::sort(all);
        }
        const auto next = std::ranges::lower_bound(*taken_, region.begin);
        return next != taken_->end() && region.contains(*next);
    }

    /// Distances from a place in the copy are made anew. RVAs count from the image that is asked for them.
    void resolve_words(const Owner& owner, RvaRange region, EmittedData& data) {
        for (const program::AddressWord& word : pairing_.updated.words_in(region)) {
            const auto target = new_.target_of(word);
            if (!target || word.indirect || !region.contains(word.base) ||
                word.at.value + std::uint64_t{4} > region.end()) {
                refuse(owner, Code::data_relative,
                       fmt::format("{} holds an RVA at +0x{:x}", describe_target(region.begin), word.at.value));
                return;
            }
            data.distances.push_back({word.at - region.begin, word.base - region.begin,
                                      resolve({owner.function, word.at}, *target, Use::address, 0)});
        }
    }

    static bool takes_address(const Reference& reference) {
        return reference.use == Use::address && reference.kind != program::ReferenceKind::arm64_page21;
    }

    /// The end of one object and the start of the next are one address. Where a function may mean either, both must
    /// come to lie as they lie in the updated image.
    void keep_boundaries() {
        for (const auto& [index, emitted] : functions_) {
            const Function& function = *emitted.updated;
            std::map<std::uint32_t, std::size_t> ends; // end of an object whose address is taken, and the reference
            for (std::size_t i = 0; i < function.references.size(); ++i) {
                const Reference& reference = function.references[i];
                const Place place = pairing_.updated.at(reference.target);
                if (!takes_address(reference) || place.kind != PlaceKind::data ||
                    Contents::extent_of(pairing_.updated, reference.target).text)
                    continue;
                ends.emplace(static_cast<std::uint32_t>(new_.data()[place.index].range.end()), i);
            }
            for (std::size_t i = 0; i < function.references.size(); ++i) {
                const Reference& reference = function.references[i];
                const auto end = ends.find(reference.target.value);
                const PlaceKind kind = pairing_.updated.at(reference.target).kind;
                if (!takes_address(reference) || end == ends.end() ||
                    (kind != PlaceKind::data && kind != PlaceKind::end))
                    continue;
                keep_boundary(index, function, emitted, end->second, i);
            }
        }
    }

    void keep_boundary(std::uint32_t index, const Function& function, const EmittedFunction& emitted,
                       std::size_t before, std::size_t behind) {
        const std::uint32_t distance = function.references[behind].target - function.references[before].target;
        const Destination& first = emitted.destinations[before];
        const Destination& second = emitted.destinations[behind];
        const auto* first_baseline = std::get_if<ToBaseline>(&first);
        const auto* second_baseline = std::get_if<ToBaseline>(&second);
        if (first_baseline && second_baseline && first_baseline->rva + distance == second_baseline->rva)
            return;
        const auto* first_data = std::get_if<ToData>(&first);
        const auto* second_data = std::get_if<ToData>(&second);
        if (first_data && second_data && first_data->updated_object == second_data->updated_object)
            return;
        const Place place = pairing_.updated.at(function.references[before].target);
        if (!new_.data()[place.index].writable && place.index + 1 < new_.data().size() &&
            !new_.data()[place.index + 1].writable) {
            grown_ |= copies_.join_with_next(place.index);
            return;
        }
        refuse({index, function.range.begin + function.references[behind].instruction}, Code::data_boundary_ambiguous,
               fmt::format("{} or the end of {}", describe_target(function.references[behind].target),
                           describe_target(function.references[before].target)));
    }

    void finish() {
        for (auto& [index, emitted] : functions_) {
            emitted.loops_to_entry = emitted.baseline && loops_to_entry(*emitted.baseline);
            result_.functions.push_back(std::move(emitted));
        }
        for (auto& [begin, data] : data_)
            result_.data.push_back(std::move(data));
    }

    const Pairing& pairing_;
    Contents& contents_;
    const std::set<std::uint32_t>& parts_;
    const program::Program& old_;
    const program::Program& new_;
    Copies copies_;
    std::map<std::uint32_t, std::optional<std::uint32_t>> emitted_; ///< updated functions, and what they replace
    std::vector<bool> is_emitted_;                                  ///< by updated index: the same for quick looks
    std::set<std::uint32_t> handlers_;                              ///< emitted since exceptions go to them
    std::uint64_t fields_left_ = 0;                                 ///< of exception data, in this pass
    std::map<std::uint32_t, EmittedFunction> functions_;            ///< by updated index
    std::map<Rva, EmittedData> data_;
    /// Whether code counts from what a reference leads to, by function and offset in it.
    std::map<std::pair<Rva, std::uint32_t>, bool> counted_;
    std::map<std::pair<Rva, std::uint32_t>, std::uint32_t> fronts_; ///< see front_of(), likewise
    std::set<Rva> too_long_; ///< copied data whose end was not found; what an earlier pass found stays true
    std::optional<std::vector<Rva>> taken_; ///< what is led to by more than reading it, ascending
    bool grown_ = false;
    Emission result_;
    std::map<std::tuple<Code, std::string, std::string>, std::size_t> told_; ///< refusals by what they say
};

} // namespace

Emission collect_emission(const Pairing& pairing, Contents& contents, const std::set<Edge>& changed,
                          const std::set<std::uint32_t>& parts) {
    return Collector(pairing, contents, changed, parts).run();
}

} // namespace suture::diff
