#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"
#include "patchgen/program/handler_data.hpp"
#include "patchgen/program/stack_check.hpp"
#include "patchgen/program/type_information.hpp"
#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

using program::HandlerForm;
using program::Use;

namespace {

constexpr std::uint32_t kMaxCount = 65536;
constexpr std::int64_t kMaxLsda = std::int64_t{1} << 20;
constexpr std::uint32_t kLastMagic = 0x19930522; // the one with flags at the end
constexpr std::uint32_t kFirstMagic = 0x19930520;
constexpr std::uint32_t kMagicMask = 0x1fffffff;
constexpr std::uint32_t kExecute = 1;  // a constant in place of a filter
constexpr std::uint32_t kUnusedAt = 8; // in a type descriptor
constexpr std::uint32_t kNameAt = 16;
constexpr std::uint8_t kNone = 0xff;
constexpr std::uint8_t kPointers = 0x00;
constexpr std::uint8_t kDistancesToPointers = 0x9b;

/// What the unwinder calls for some code, and where that finds its data.
struct HandlerOf {
    Rva at;
    Rva data;
};

Result<std::optional<HandlerOf>> handler_of(const pe::Image& image, const pe::RuntimeFunction& entry) {
    const auto found = [](const auto& info) {
        return info.handler ? std::optional(HandlerOf{*info.handler, info.handler_data}) : std::nullopt;
    };
    if (image.machine() == Machine::arm64) {
        SUTURE_TRY(const pe::UnwindInfoArm64 info, pe::unwind_info_arm64_of(image, entry));
        return found(info);
    }
    SUTURE_TRY(const pe::UnwindInfo info, pe::unwind_info_at(image, entry.unwind_info));
    return found(info);
}

/// Walks over what must be the same in both images, side by side. What is not there, or differs, makes `same` false.
class Both {
  public:
    Both(const pe::Image& updated, const Overlay& overlay, Rva at, Rva place, std::uint64_t& left)
        : ours(at), theirs(place), updated_(&updated), overlay_(&overlay), left_(&left) {}

    /// Values that need not be equal.
    template <class T>
    std::pair<T, T> take() {
        const auto a = updated_->read<T>(ours);
        const pe::Section* section = overlay_->section_at({true, theirs});
        const auto content =
            section && !section->writable() ? overlay_->content({true, theirs}, sizeof(T)) : std::nullopt;
        const auto b = content ? ByteView(*content).read<T>(0) : std::nullopt;
        same = same && a && b && *left_ != 0;
        *left_ -= *left_ != 0 ? 1 : 0;
        ours = ours + std::uint32_t{sizeof(T)};
        theirs = theirs + std::uint32_t{sizeof(T)};
        return same ? std::pair(*a, *b) : std::pair(T{}, T{});
    }
    template <class T>
    T equal() {
        const auto [a, b] = take<T>();
        same = same && a == b;
        return a;
    }
    std::pair<Rva, Rva> rvas() {
        const auto [a, b] = take<std::uint32_t>();
        return {Rva{a}, Rva{b}};
    }
    /// DWARF's LEB128.
    std::int64_t leb(bool is_signed) {
        std::uint64_t value = 0;
        unsigned shift = 0;
        std::uint8_t byte = 0x80;
        while (same && (byte & 0x80) != 0 && shift < 56) {
            byte = equal<std::uint8_t>();
            value |= std::uint64_t{byte & 0x7fu} << shift;
            shift += 7;
        }
        same = same && (byte & 0x80) == 0;
        if (is_signed && (byte & 0x40) != 0)
            value |= ~std::uint64_t{0} << shift;
        return same ? static_cast<std::int64_t>(value) : 0;
    }
    Both at(Rva a, Rva b) const { return {*updated_, *overlay_, a, b, *left_}; }

    Rva ours;
    Rva theirs;
    bool same = true;

  private:
    const pe::Image* updated_;
    const Overlay* overlay_;
    std::uint64_t* left_; ///< how much more may be looked at
};

/// Addresses of code that exception data holds, and what else it leads to.
struct Found {
    std::vector<std::pair<Rva, Rva>> code;      ///< RVA in the updated image and in the package
    std::vector<std::pair<Rva, Rva>> stretches; ///< likewise: first and last byte of a scope, one after another
    std::vector<std::pair<Rva, Rva>> places;    ///< where states of a function begin, in order
    std::vector<std::pair<Rva, Rva>> types;     ///< type descriptors
    std::vector<std::pair<Rva, Rva>> pointers;  ///< 8 bytes each that lead to a description of a type
    std::vector<std::pair<Rva, Rva>> known;     ///< 4 bytes each, distances to what the runtime fills in
    std::vector<std::uint32_t> pads;            ///< landing pads: bytes from the entry
    std::uint32_t furthest = 0;                 ///< end of what counts from the entry, in bytes
};

/// A code address of both, or of neither.
bool take_code(Both& both, Found& found, bool may_be_none) {
    const auto pair = both.rvas();
    if (!both.same || (pair.first.value == 0) != (pair.second.value == 0))
        return false;
    if (pair.first.value == 0)
        return may_be_none;
    found.code.push_back(pair);
    return true;
}

bool walk_scopes(Both both, Found& found) {
    const auto count = both.equal<std::uint32_t>();
    if (!both.same || count > kMaxCount)
        return false;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto begin = both.rvas(), end = both.rvas();
        if (!both.same || end.first <= begin.first || end.second <= begin.second)
            return false;
        found.stretches.push_back(begin);
        found.stretches.emplace_back(end.first - 1, end.second - 1);
        const auto [filter, other] = both.at(both.ours, both.theirs).take<std::uint32_t>();
        if ((filter == kExecute) != (other == kExecute))
            return false;
        if (filter == kExecute)
            both.equal<std::uint32_t>();
        else if (!take_code(both, found, false))
            return false;
        if (!take_code(both, found, true))
            return false;
    }
    return both.same;
}

bool walk_catches(Both both, std::uint32_t count, Found& found) {
    for (std::uint32_t i = 0; i < count; ++i) {
        both.equal<std::uint32_t>(); // adjectives
        const auto type = both.rvas();
        if (!both.same || (type.first.value == 0) != (type.second.value == 0))
            return false;
        if (type.first.value != 0)
            found.types.push_back(type);
        both.equal<std::uint32_t>(); // catch object
        if (!take_code(both, found, false))
            return false;
        both.equal<std::uint32_t>(); // frame
    }
    return both.same;
}

bool walk_frame_handler_3(Both first, Found& found) {
    const auto at = first.rvas();
    Both info = first.at(at.first, at.second);
    const auto magic = info.equal<std::uint32_t>() & kMagicMask;
    const auto states = info.equal<std::uint32_t>();
    const auto unwind_map = info.rvas();
    const auto tries = info.equal<std::uint32_t>();
    const auto try_map = info.rvas();
    const auto places = info.equal<std::uint32_t>();
    const auto place_map = info.rvas();
    info.equal<std::uint32_t>(); // where the frame keeps the state
    if (magic != kFirstMagic && info.equal<std::uint32_t>() != 0)
        return false; // what it may throw
    if (magic == kLastMagic)
        info.equal<std::uint32_t>();
    if (!first.same || !info.same || magic < kFirstMagic || magic > kLastMagic || states > kMaxCount ||
        tries > kMaxCount || places > kMaxCount)
        return false;
    Both actions = first.at(unwind_map.first, unwind_map.second);
    for (std::uint32_t i = 0; i < states; ++i) {
        actions.equal<std::uint32_t>();
        if (!take_code(actions, found, true))
            return false;
    }
    Both ips = first.at(place_map.first, place_map.second);
    for (std::uint32_t i = 0; i < places; ++i) {
        found.places.push_back(ips.rvas());
        ips.equal<std::uint32_t>();
    }
    Both blocks = first.at(try_map.first, try_map.second);
    for (std::uint32_t i = 0; i < tries; ++i) {
        for (int state = 0; state < 3; ++state)
            blocks.equal<std::uint32_t>();
        const auto count = blocks.equal<std::uint32_t>();
        const auto array = blocks.rvas();
        if (!blocks.same || count > kMaxCount || !walk_catches(first.at(array.first, array.second), count, found))
            return false;
    }
    return actions.same && ips.same && blocks.same;
}

class LsdaWalk {
  public:
    explicit LsdaWalk(Found& found) : found_(found) {}

    bool run(Both both) {
        if (both.equal<std::uint8_t>() != kNone) // landing pads count from the entry
            return false;
        form_ = both.equal<std::uint8_t>();
        if (form_ != kNone && form_ != kPointers && form_ != kDistancesToPointers)
            return false;
        std::int64_t distance = form_ != kNone ? both.leb(false) : 0;
        if (distance > kMaxLsda)
            return false;
        types_ = both.at(both.ours + static_cast<std::uint32_t>(distance),
                         both.theirs + static_cast<std::uint32_t>(distance));
        const auto sites_form = both.equal<std::uint8_t>();
        distance = both.leb(false);
        if (!both.same || sites_form != 1 || distance > kMaxLsda)
            return false;
        const auto length = static_cast<std::uint32_t>(distance);
        const Both actions = both.at(both.ours + length, both.theirs + length);
        while (both.same && both.ours < actions.ours) {
            const std::int64_t begin = both.leb(false), size = both.leb(false), pad = both.leb(false),
                               action = both.leb(false);
            const std::int64_t end = std::max(begin + size, pad + 1);
            if (!both.same || begin > UINT32_MAX / 4 || size > UINT32_MAX / 4 || pad > UINT32_MAX / 4 ||
                action > kMaxLsda)
                return false;
            found_.furthest = std::max(found_.furthest, static_cast<std::uint32_t>(end));
            if (pad != 0)
                found_.pads.push_back(static_cast<std::uint32_t>(pad));
            if (action != 0 && !walk_chain(actions, static_cast<std::uint32_t>(action - 1)))
                return false;
        }
        return both.same && both.ours == actions.ours && take_types();
    }

  private:
    bool walk_chain(const Both& actions, std::uint32_t offset) {
        std::int64_t at = offset;
        for (std::uint32_t i = 0; i < kMaxCount; ++i) {
            if (at < 0 || at > kMaxLsda)
                return false;
            const auto from = static_cast<std::uint32_t>(at);
            Both action = actions.at(actions.ours + from, actions.theirs + from);
            const std::int64_t type = action.leb(true);
            at += action.ours - (actions.ours + from);
            const std::int64_t next = action.leb(true);
            if (!action.same || type > kMaxCount || type < -kMaxLsda)
                return false;
            if (type > 0)
                last_ = std::max(last_, static_cast<std::uint32_t>(type));
            else if (type < 0 && !walk_list(static_cast<std::uint32_t>(-type - 1)))
                return false;
            if (next == 0)
                return true;
            at += next;
        }
        return false;
    }

    bool walk_list(std::uint32_t offset) {
        if (!types_)
            return false;
        Both list = types_->at(types_->ours + offset, types_->theirs + offset);
        for (std::uint32_t i = 0; i < kMaxCount; ++i) {
            const std::int64_t type = list.leb(false);
            if (!list.same || type > kMaxCount)
                return false;
            if (type == 0)
                return true;
            last_ = std::max(last_, static_cast<std::uint32_t>(type));
        }
        return false;
    }

    bool take_types() {
        const std::uint32_t size = form_ == kPointers ? 8 : 4;
        if (last_ != 0 && (form_ == kNone || types_->ours.value < size * last_ || types_->theirs.value < size * last_))
            return false;
        for (std::uint32_t i = 1; i <= last_; ++i) {
            const Rva ours{types_->ours.value - size * i}, theirs{types_->theirs.value - size * i};
            if (form_ == kPointers)
                found_.pointers.emplace_back(ours, theirs);
            else
                found_.known.emplace_back(ours, theirs);
        }
        return true;
    }

    Found& found_;
    std::uint8_t form_ = kNone;
    std::optional<Both> types_;
    std::uint32_t last_ = 0;
};

} // namespace

/// The function in whose emitted code both are the same place, or in the fill that its unwind data covers.
const program::Function* Equivalence::emitted_around(Rva ours, Rva theirs) const {
    auto next = emitted_.upper_bound(theirs);
    if (next == emitted_.begin())
        return nullptr;
    const auto& [at, function] = *--next;
    std::uint64_t end = function->range.end();
    for (const pe::RuntimeFunction& entry : function->unwind)
        end = std::max(end, entry.range.end());
    const bool same = ours >= function->range.begin && ours.value < end && ours - function->range.begin == theirs - at;
    return same ? function : nullptr;
}

Result<void> Equivalence::follow_code(const Goal& goal, Rva ours, Rva theirs) {
    if (emitted_around(ours, theirs))
        return run();
    if (!updated_.function_at(ours))
        return failed(goal, fmt::format("its exception data leads to 0x{:x}, that of {} to package+0x{:x}", ours.value,
                                        goal.place.text(), theirs.value));
    follow({ours, {true, theirs}, Use::jump, 0, goal.referrer, goal.at, goal.different});
    return run();
}

/// Code to which control comes by an exception.
Result<void> Equivalence::follow_caught(const Goal& goal, const std::vector<std::pair<Rva, Rva>>& places) {
    for (const auto& [ours, theirs] : places)
        SUTURE_CHECK(follow_code(goal, ours, theirs));
    if (!is_arm64_)
        return {};
    // A function is compared again once, however many places of it a table lists.
    std::map<std::tuple<Rva, Place>, const program::Function*> entered;
    for (const auto& [ours, theirs] : places) {
        const program::Function* around = emitted_around(ours, theirs);
        const std::uint32_t offset = around ? ours - around->range.begin : 0;
        if (offset == 0)
            continue;
        const auto pair = code_pairs_.find({around->range.begin, Place{true, theirs} - offset});
        if (pair == code_pairs_.end())
            return failed(goal, fmt::format("package+0x{:x} is code that was not compared", theirs.value));
        if (pair->second.caught.insert(offset).second)
            entered.emplace(pair->first, around);
    }
    for (const auto& [pair, function] : entered)
        SUTURE_CHECK(compare_arm64_code(*function, std::get<Place>(pair), code_pairs_.at(pair)));
    return run();
}

/// A pointer to what describes a type: types whose names are not unique are told apart by where that lies.
Result<void> Equivalence::follow_type(const Goal& goal, Rva ours, Place theirs) {
    const auto zero = overlay_.content(theirs, 8);
    if (updated_.image().read<std::uint64_t>(ours) == std::uint64_t{0} && zero &&
        overlay_.adjusted(theirs, 8).empty() && std::ranges::all_of(*zero, [](std::uint8_t byte) { return byte == 0; }))
        return {}; // everything is caught
    const auto to = updated_.pointer_at(ours);
    const auto there = overlay_.pointer(theirs);
    if (!to || !there || there->in_package)
        return failed(goal, fmt::format("the description of a type at {} is not the baseline's", theirs.text()));
    if (theirs.in_package)
        used_fields_.insert(theirs.rva);
    follow({*to, *there, Use::address, 0, goal.referrer, goal.at});
    return {};
}

Result<void> Equivalence::follow_descriptor(const Goal& goal, Rva ours, Rva theirs) {
    const auto name = program::type_described_at(updated_.image(), ours);
    const auto copy =
        name ? overlay_.content({true, theirs + kNameAt}, static_cast<std::uint32_t>(name->size() + 1)) : std::nullopt;
    const auto unused = overlay_.content({true, theirs + kUnusedAt}, 8);
    if (!copy || !unused || copy->back() != 0 || !std::equal(name->begin(), name->end(), copy->begin()) ||
        ByteView(*unused).read<std::uint64_t>(0) != updated_.image().read<std::uint64_t>(ours + kUnusedAt))
        return failed(goal, fmt::format("the type that is caught is not described at package+0x{:x}", theirs.value));
    return follow_type(goal, ours, {true, theirs});
}

Result<void> Equivalence::follow_distance(const Goal& goal, Rva ours, Rva theirs) {
    const auto word = updated_.image().read<std::uint32_t>(ours);
    const auto other = overlay_.content({true, theirs}, 4);
    const bool is_adjusted = overlay_.adjusted_in_package().contains(theirs);
    if (word == std::uint32_t{0}) {
        if (!other || is_adjusted || *ByteView(*other).read<std::uint32_t>(0) != 0)
            return failed(goal, "what catches everything does so no more");
        return {};
    }
    const auto there = overlay_.displaced({true, theirs}, 4, {true, theirs});
    if (!word || !there)
        return failed(goal, fmt::format("the distance at package+0x{:x} leads nowhere", theirs.value));
    used_fields_.insert(theirs);
    const Rva cell = ours + *word;
    const RvaRange whole{cell, 8};
    if (!std::ranges::any_of(updated_.runtime_fields(), [&](RvaRange field) { return field.overlaps(whole); }))
        return follow_type(goal, cell, *there);
    if (there->in_package)
        return failed(goal, "the runtime fills in what it catches, and nothing does so in the package");
    follow({cell, *there, Use::address, 0, goal.referrer, goal.at});
    return {};
}

/// Which state an address is in follows from the last place before it: each must lie in the same order.
Result<void> Equivalence::follow_places(const Goal& goal, const program::Function& function, Rva at,
                                        const std::vector<std::pair<Rva, Rva>>& places) {
    for (std::size_t i = 0; i < places.size(); ++i) {
        SUTURE_CHECK(follow_code(goal, places[i].first, places[i].second));
        if (i > 0 && (places[i].first < places[i - 1].first || places[i].second < places[i - 1].second))
            return failed(goal, "its states do not lie in the order of its code");
    }
    for (const std::uint32_t offset : {0u, function.range.size - 1}) {
        const auto before = [&](Rva address, auto side) {
            return std::ranges::upper_bound(places, address, {}, side) - places.begin();
        };
        if (before(function.range.begin + offset, &std::pair<Rva, Rva>::first) !=
            before(at + offset, &std::pair<Rva, Rva>::second))
            return failed(goal, "its states do not lie as its code does");
    }
    return {};
}

Result<void> Equivalence::compare_handler(const program::Function& function, Rva at, const pe::RuntimeFunction& from,
                                          const pe::RuntimeFunction& to) {
    SUTURE_TRY(const auto a, handler_of(updated_.image(), from));
    SUTURE_TRY(const auto b, handler_of(overlay_.package().image(), to));
    if (!a || program::only_checks_stack(updated_, a->at))
        return {};
    const Goal goal{from.range.begin, {true, to.range.begin},         Use::call, 0, &function,
                    from.range.begin, handlers_seen_.find(at)->second};
    const HandlerForm form = program::form_of_handler(updated_, a->at);
    if (!b || form == HandlerForm::unknown)
        return failed(goal, fmt::format("the exception handler of {} is not its own", goal.place.text()));
    follow({a->at, {true, b->at}, Use::call, 0, &function, from.range.begin});
    SUTURE_CHECK(run());
    Found found;
    const Both both(updated_.image(), overlay_, a->data, b->data, handler_fields_left_);
    const bool same = form == HandlerForm::scopes            ? walk_scopes(both, found)
                      : form == HandlerForm::frame_handler_3 ? walk_frame_handler_3(both, found)
                                                             : LsdaWalk(found).run(both);
    if (!same || found.furthest > from.range.size)
        return failed(goal, fmt::format("its exception data and that of {} differ", goal.place.text()));
    for (const std::uint32_t pad : found.pads)
        found.code.emplace_back(from.range.begin + pad, to.range.begin + pad);
    SUTURE_CHECK(follow_caught(goal, found.code));
    for (std::size_t i = 0; i < found.stretches.size(); i += 2) {
        const auto &begin = found.stretches[i], &last = found.stretches[i + 1];
        SUTURE_CHECK(follow_code(goal, begin.first, begin.second));
        // One stretch of code of one function: nothing else comes to lie in it.
        const auto next = emitted_.upper_bound(begin.second);
        if (!emitted_around(last.first, last.second) || (next != emitted_.end() && next->first <= last.second))
            return failed(goal, fmt::format("what it guards at 0x{:x} is not one stretch of code", begin.first.value));
    }
    SUTURE_CHECK(follow_places(goal, function, at, found.places));
    for (const auto& [ours, theirs] : found.types)
        SUTURE_CHECK(follow_descriptor(goal, ours, theirs));
    for (const auto& [ours, theirs] : found.pointers)
        SUTURE_CHECK(follow_type(goal, ours, {true, theirs}));
    for (const auto& [ours, theirs] : found.known)
        SUTURE_CHECK(follow_distance(goal, ours, theirs));
    handled_.emplace(from.range.begin, to.range.begin);
    return run();
}

Result<void> Equivalence::prove_handlers() {
    const auto& entries = overlay_.package().runtime_functions();
    for (bool more = true; more;) {
        more = false;
        // What handlers lead to is emitted code too, and may have handlers.
        const std::map<Rva, const program::Function*> known = emitted_;
        for (const auto& [at, function] : known) {
            const auto pair = code_pairs_.find({function->range.begin, Place{true, at}});
            const arm64::Registers thrown = pair != code_pairs_.end() ? pair->second.thrown : 0;
            const auto [seen, first] = handlers_seen_.try_emplace(at, thrown);
            if (!first && (thrown & ~seen->second) == 0)
                continue;
            seen->second |= thrown;
            more = true;
            for (const pe::RuntimeFunction& entry : function->unwind) {
                const RvaRange range{at + (entry.range.begin - function->range.begin), entry.range.size};
                const auto found = std::ranges::lower_bound(
                    entries, range.begin, {}, [](const pe::RuntimeFunction& one) { return one.range.begin; });
                if (found != entries.end() && found->range == range)
                    SUTURE_CHECK(compare_handler(*function, at, entry, *found));
            }
        }
    }
    return {};
}

} // namespace suture::prove
