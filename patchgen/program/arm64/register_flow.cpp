#include "patchgen/program/arm64/register_flow.hpp"

#include "patchgen/program/arm64/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace suture::program::arm64 {

namespace {

using Kind = Value::Kind;

/// Most passes over a function until what registers hold is settled. Each pass that is not the last makes some
/// register less known at some label; compilers' code needs two or three.
constexpr int kMaxPasses = 64;
/// Most labels of a function whose registers are followed. The largest known have some ten thousand.
constexpr std::size_t kMaxLabels = std::size_t{1} << 18;
/// How far in front of a table's load its comparison may stand, in instructions.
constexpr int kCompareWindow = 64;

/// X0 to X17 and X30: what a call may change ("Overview of ARM64 ABI conventions", Microsoft Learn).
constexpr std::uint32_t kVolatile = 0x4003ffff;
/// X0 to X8 and X15: what the guard's check keeps of those.
constexpr std::uint32_t kKeptByGuardCheck = 0x81ff;

constexpr std::uint8_t kHigher = 8, kLowerOrSame = 9, kHigherOrSame = 2, kLower = 3;

/// A load that may be that of a table's entry.
struct Entry {
    Rva table;
    std::uint8_t size = 0;

    bool operator==(const Entry&) const = default;
};

/// An addition that may make the destination of a switch.
struct Destination {
    std::uint32_t load = 0; ///< word of the entry's load
    Rva base;
    std::uint8_t shift = 0;
    bool is_signed = false;

    bool operator==(const Destination&) const = default;
};

/// What is kept from function to function, so that nothing is allocated for most.
struct Scratch {
    std::vector<std::uint32_t> labels; ///< by word: 1 + its number in `states`, kUnseen, or 0 for no label
    std::vector<State> states;
    PageSets sets;
};

/// A label that nothing known has led to yet.
constexpr std::uint32_t kUnseen = UINT32_MAX;

class Follower {
  public:
    Follower(const Stretch& stretch, std::span<const Instruction> steps, const FlowHints& hints, Scratch& scratch)
        : stretch_(stretch), steps_(steps), hints_(hints), labels_(scratch.labels), states_(scratch.states),
          sets_(scratch.sets) {}

    RegisterFlow run(Reach reach) {
        sets_.clear();
        states_.clear();
        find_labels();
        bool settled = settle();
        if (reach == Reach::everything && settled && missed_) {
            reach_ = reach;
            settled = settle();
        }
        if (!settled)
            found_.undecoded = "the contents of its registers are not understood";
        std::ranges::sort(found_.switches);
        const auto repeated = std::ranges::unique(found_.switches);
        found_.switches.erase(repeated.begin(), repeated.end());
        std::ranges::sort(found_.page_uses);
        find_address_tables();
        if (reach == Reach::everything)
            check_pages();
        return std::move(found_);
    }

  private:
    std::uint32_t size() const { return static_cast<std::uint32_t>(steps_.size()); }

    void find_address_tables() {
        if (destinations_.empty())
            return;
        std::vector<AddressTable> tables;
        for (const auto& [at, sum] : destinations_)
            if (const Entry& entry = entries_[sum.load]; entry.size == kWord && sum.shift == 0)
                tables.push_back({entry.table, sum.base});
        found_.address_tables = address_tables_but(found_.switches, std::move(tables));
    }

    /// The word that a branch leads to, if that is in the stretch.
    std::optional<std::uint32_t> word_of(std::uint32_t from, std::int64_t distance) const {
        const std::int64_t to = std::int64_t{from} + distance / kWord;
        return to >= 0 && to < size() ? std::optional(static_cast<std::uint32_t>(to)) : std::nullopt;
    }

    static bool jumps(Operation operation) {
        return operation == Operation::branch || operation == Operation::conditional;
    }

    void find_labels() {
        labels_.assign(steps_.size(), 0);
        for (std::uint32_t at = 0; at < size(); ++at)
            if (jumps(steps_[at].operation))
                if (const auto to = word_of(at, steps_[at].value))
                    labels_[*to] = kUnseen;
    }

    /// Passes over the function until nothing changes.
    bool settle() {
        for (int i = 0; i < kMaxPasses && states_.size() <= kMaxLabels; ++i) {
            found_ = {};
            left_with_.clear();
            again_ = missed_ = waits_ = false;
            pass();
            if (!again_ && (!waits_ || gives_up_))
                return states_.size() <= kMaxLabels;
            gives_up_ = !again_;
        }
        return false;
    }

    void pass() {
        State state{};
        bool reachable = true;
        bool waiting = false;
        for (std::uint32_t at = 0; at < size(); ++at) {
            const auto operation = steps_[at].operation;
            if (operation == Operation::invalid) {
                reachable = false;
                continue;
            }
            if (const std::uint32_t label = labels_[at]; label != 0 && label != kUnseen) {
                auto& known = states_[label - 1];
                if (reachable && runs_on_behind_call(at)) {
                    state = behind_call(known, state);
                } else {
                    if (reachable)
                        merge_into(known, state, sets_);
                    state = known;
                }
                waiting = false;
            } else if (!reachable) {
                if (operation == Operation::nop || operation == Operation::terminator)
                    continue;
                missed_ = true;
                if (reach_ == Reach::known_ways)
                    continue;
                // A branch further on leads here, and has not been seen with what it brings along.
                waiting |= label == kUnseen && !gives_up_;
                if (waiting) {
                    waits_ = true;
                    waiting = !ends_flow(operation);
                    continue;
                }
                state = unknown();
            } else if (label == kUnseen && !runs_on_behind_call(at)) {
                see(at, state);
            }
            reachable = take(at, state);
        }
    }

    /// Whether the word in front of a label is a call, of which it is not known that it returns.
    bool runs_on_behind_call(std::uint32_t at) const {
        while (at > 0 && steps_[at - 1].operation == Operation::nop)
            --at;
        return at > 0 &&
               (steps_[at - 1].operation == Operation::call || steps_[at - 1].operation == Operation::call_register);
    }

    /// What registers hold at a label that is jumped to, and stands behind a call. An instruction that goes on from a
    /// page does so on all ways that are ever gone: where the two do not agree on a page, the call does not return.
    State behind_call(const State& jumped, const State& returned) {
        State state = jumped;
        for (std::uint32_t left = jumped.known | returned.known; left != 0; left &= left - 1) {
            const auto reg = static_cast<std::uint8_t>(std::countr_zero(left));
            const Value merged = merge(jumped[reg], returned[reg], sets_);
            if (merged.kind != Kind::mixed)
                state.set(reg, merged);
        }
        return state;
    }

    /// What registers hold where nothing is known to lead, but an exception may.
    State unknown() const {
        State state{};
        for (std::uint8_t reg = 0; reg < kNone; ++reg)
            if ((held_page_ >> reg & 1) != 0)
                state.set(reg, {.kind = Kind::perhaps_page});
        return state;
    }

    void see(std::uint32_t at, const State& state) {
        states_.push_back(state);
        labels_[at] = static_cast<std::uint32_t>(states_.size());
    }

    void jump_to(std::uint32_t to, std::uint32_t from, const State& state) {
        const std::uint32_t label = labels_[to];
        bool changed = label == 0 || label == kUnseen;
        if (changed)
            see(to, state);
        else
            changed = merge_into(states_[label - 1], state, sets_);
        // What lies in front has been passed with less.
        if (changed && to <= from)
            again_ = true;
    }

    void not_understood(std::uint32_t at, std::string_view why) {
        if (found_.undecoded.empty())
            found_.undecoded = fmt::format("{} at 0x{:x}", why, rva_of(at).value);
    }

    Rva rva_of(std::uint32_t word) const { return stretch_.begin + kWord * word; }

    bool take(std::uint32_t at, State& state);
    void take_page(std::uint32_t at, const State& state);
    void take_call(const Instruction& step, State& state) const;
    void take_access(const Instruction& step, const State& state);
    void take_switch(std::uint32_t at, const State& state);
    Value value_of(std::uint32_t at, const State& state);
    Value value_of_sum(std::uint32_t at, const State& state);
    std::optional<std::uint32_t> bound_of(std::uint32_t load);
    std::optional<std::uint32_t> only_way_to(std::uint32_t label);
    void add_user(std::uint32_t at, const PageSet& pages, ReferenceKind kind, Use use, std::uint32_t access);
    void leave(const State& state);
    void check_pages();

    const Stretch& stretch_;
    std::span<const Instruction> steps_;
    const FlowHints& hints_;
    std::vector<std::uint32_t>& labels_;
    std::vector<State>& states_; ///< what registers hold, by all ways to the label seen so far
    PageSets& sets_;
    Reach reach_ = Reach::known_ways;
    std::unordered_map<std::uint32_t, Entry> entries_;            ///< by word
    std::unordered_map<std::uint32_t, Destination> destinations_; ///< by word
    std::vector<std::uint32_t> switch_targets_;                   ///< words, of all passes
    std::vector<std::pair<std::uint32_t, std::uint32_t>> jumps_;  ///< of branches: to, from; ascending
    std::vector<std::uint32_t> left_with_; ///< ADRPs that alone give a page in hand where other code goes on
    RegisterFlow found_;
    bool again_ = false;
    bool missed_ = false;         ///< some code was not reached
    bool waits_ = false;          ///< some of it for a branch that may yet lead there
    bool gives_up_ = false;       ///< nothing else does: such branches lie in code that was not reached either
    std::uint32_t held_page_ = 0; ///< registers that have held a page
};

/// Returns whether the next step is reached from this one.
bool Follower::take(std::uint32_t at, State& state) {
    const auto& step = steps_[at];
    if ((step.reads & state.pages) != 0)
        take_page(at, state);
    if (step.accesses && state.known != 0)
        take_access(step, state);
    switch (step.operation) {
    case Operation::call:
    case Operation::call_register:
        leave(state);
        take_call(step, state);
        return true;
    case Operation::branch:
    case Operation::conditional:
        if (const auto to = word_of(at, step.value))
            jump_to(*to, at, state);
        else
            leave(state);
        return step.operation == Operation::conditional;
    case Operation::jump_register:
        leave(state);
        take_switch(at, state);
        return false;
    case Operation::terminator:
        leave(state);
        return false;
    case Operation::scalable:
        for (std::uint32_t left = step.written & state.pages; left != 0; left &= left - 1)
            state.set(static_cast<std::uint8_t>(std::countr_zero(left)), {.kind = Kind::perhaps_page});
        return true;
    default:
        break;
    }
    if (step.written == 0)
        return true;
    const Value value = value_of(at, state);
    const bool only_destination = step.rd != kNone && step.written == 1u << step.rd;
    if (!only_destination)
        for (std::uint32_t left = step.written & state.known; left != 0; left &= left - 1)
            state.set(static_cast<std::uint8_t>(std::countr_zero(left)), {});
    if (step.rd != kNone && (step.written >> step.rd & 1) != 0) {
        state.set(step.rd, value);
        if (const std::uint32_t held = state.pages & 1u << step.rd; (held & ~held_page_) != 0) {
            held_page_ |= held;
            again_ |= reach_ == Reach::everything;
        }
    }
    return true;
}

/// An instruction that reads a register with a page address, or with what may be one.
void Follower::take_page(std::uint32_t at, const State& state) {
    const auto& step = steps_[at];
    const bool goes_on = step.operation == Operation::add || step.operation == Operation::memory;
    const Value base = goes_on && step.rn != kNone ? state[step.rn] : Value{};
    if (base.kind == Kind::page) {
        const bool add = step.operation == Operation::add;
        add_user(at, sets_[base.what], add ? ReferenceKind::arm64_low12_add : ReferenceKind::arm64_low12_load,
                 add           ? Use::address
                 : step.stores ? Use::write
                               : Use::read,
                 add ? 0 : step.access);
        if (add || !step.stores || step.rd == kNone || !state[step.rd].holds_page())
            return;
        return not_understood(at, "page address that is stored");
    }
    if (base.kind == Kind::mixed || base.kind == Kind::perhaps_page)
        return not_understood(at, "offset in what is a page address on some ways only");
    if (step.operation == Operation::copy || step.operation == Operation::scalable)
        return;
    for (std::uint32_t left = step.reads & state.pages; left != 0; left &= left - 1) {
        const auto reg = static_cast<std::uint8_t>(std::countr_zero(left));
        if (state[reg].kind != Kind::perhaps_page)
            return not_understood(at, fmt::format("page address in x{} that is used in an unknown way", reg));
    }
}

void Follower::add_user(std::uint32_t at, const PageSet& pages, ReferenceKind kind, Use use, std::uint32_t access) {
    const Rva target = pages.page + static_cast<std::uint32_t>(steps_[at].value);
    if (target.value >= stretch_.image_size)
        return not_understood(at, "reference out of the image");
    found_.references.push_back({.offset = kWord * at,
                                 .size = 4,
                                 .kind = kind,
                                 .use = use,
                                 .access_size = access,
                                 .addend = 0,
                                 .target = target,
                                 .instruction = kWord * at});
    for (const std::uint32_t page : pages.words)
        found_.page_uses.push_back({kWord * page, kWord * at});
}

/// Where code elsewhere goes on, which may read registers.
void Follower::leave(const State& state) {
    for (std::uint32_t left = state.pages & kVolatile; left != 0; left &= left - 1) {
        const Value& value = state[static_cast<std::uint8_t>(std::countr_zero(left))];
        if (value.kind == Kind::page && sets_[value.what].words.size() == 1)
            left_with_.push_back(sets_[value.what].words.front());
    }
}

/// A page must lead on to something, as no address is made by an ADRP alone; or be forgotten at once, as MSVC leaves
/// it behind at times.
void Follower::check_pages() {
    std::ranges::sort(left_with_);
    auto use = found_.page_uses.begin();
    for (std::uint32_t at = 0; at < size(); ++at) {
        if (steps_[at].operation != Operation::adrp)
            continue;
        while (use != found_.page_uses.end() && use->page < kWord * at)
            ++use;
        if ((use == found_.page_uses.end() || use->page != kWord * at) && std::ranges::binary_search(left_with_, at))
            return not_understood(at, "page address that nothing goes on from");
    }
}

void Follower::take_call(const Instruction& step, State& state) const {
    std::uint32_t lost = kVolatile;
    if (step.operation == Operation::call_register && step.rn != kNone && stretch_.guard_check) {
        const Value& callee = state[step.rn];
        if (callee.kind == Kind::pointer && callee.what == stretch_.guard_check->value)
            lost &= ~kKeptByGuardCheck;
    }
    for (std::uint32_t left = lost & state.known; left != 0; left &= left - 1) {
        const auto reg = static_cast<std::uint8_t>(std::countr_zero(left));
        state.set(reg, {.kind = state[reg].holds_page() ? Kind::perhaps_page : Kind::other});
    }
}

/// What the function reads of its own bytes is data.
void Follower::take_access(const Instruction& step, const State& state) {
    if (step.rn == kNone || state[step.rn].kind != Kind::address)
        return;
    const Rva base{state[step.rn].what};
    if (base < stretch_.begin || base - stretch_.begin >= kWord * size())
        return;
    const std::uint32_t begin = base - stretch_.begin;
    if (step.operation == Operation::memory) {
        const std::uint32_t at = begin + static_cast<std::uint32_t>(step.value);
        if (at < kWord * size())
            found_.data.push_back({at, std::min(at + step.access, kWord * size())});
    } else {
        found_.data.push_back({begin, kWord * size()});
    }
}

void Follower::take_switch(std::uint32_t at, const State& state) {
    const auto& step = steps_[at];
    const Value value = step.rn == kNone ? Value{} : state[step.rn];
    if (value.kind == Kind::destination) {
        const Destination& sum = destinations_[value.what];
        const Entry& entry = entries_[sum.load];
        const auto bound = bound_of(sum.load);
        const Switch found{.table = entry.table,
                           .base = sum.base,
                           .count = bound,
                           .count_is_proved = bound.has_value(),
                           .entry_size = entry.size,
                           .shift = sum.shift,
                           .is_signed = sum.is_signed};
        found_.switches.push_back(found);
        if (!hints_.jumps_of)
            return;
        for (const std::uint32_t target : hints_.jumps_of(found)) {
            switch_targets_.push_back(target / kWord);
            jump_to(target / kWord, at, state);
        }
        return;
    }
    if (value.kind == Kind::address) {
        const Rva to{value.what};
        if (to >= stretch_.begin && to - stretch_.begin < kWord * size())
            jump_to((to - stretch_.begin) / kWord, at, state);
        return;
    }
    // A call in tail position is by way of a pointer, an argument or what a call has returned.
    if (value.kind != Kind::pointer && value.kind != Kind::other && value.kind != Kind::perhaps_page)
        not_understood(at, "jump to an address that is computed in a way that is not understood");
}

Value Follower::value_of(std::uint32_t at, const State& state) {
    const auto& step = steps_[at];
    const Value first = step.rn == kNone ? Value{} : state[step.rn];
    switch (step.operation) {
    case Operation::adrp: {
        const std::int64_t page = std::int64_t{rva_of(at).value & ~(kPage - 1)} + step.value;
        return {.kind = Kind::page, .what = sets_.of(at, Rva{static_cast<std::uint32_t>(page)})};
    }
    case Operation::adr:
        return {.kind = Kind::address, .what = static_cast<std::uint32_t>(rva_of(at).value + step.value)};
    case Operation::add:
        if (first.kind == Kind::page)
            return {.kind = Kind::address,
                    .what = (sets_[first.what].page + static_cast<std::uint32_t>(step.value)).value};
        if (first.kind == Kind::address)
            return {.kind = Kind::address, .what = first.what + static_cast<std::uint32_t>(step.value)};
        return {.kind = Kind::computed};
    case Operation::copy:
        return first;
    case Operation::extend: {
        if (first.kind != Kind::entry)
            return {.kind = Kind::computed};
        const std::uint8_t size = entries_[first.what].size;
        if (step.access < size)
            return {.kind = Kind::computed};
        Value value = first;
        // Of what is as large as the entry, the sign is new; of more, it stays.
        if (step.access == size)
            value.is_signed = step.is_signed;
        value.extended = !value.is_signed || step.wide;
        return value;
    }
    case Operation::memory: {
        if (step.stores || step.access != 8)
            return {};
        const bool known = first.kind == Kind::page || first.kind == Kind::address;
        const std::uint32_t from = first.kind == Kind::page ? sets_[first.what].page.value : first.what;
        return {.kind = Kind::pointer, .what = known ? from + static_cast<std::uint32_t>(step.value) : 0};
    }
    case Operation::load:
        return {.kind = Kind::pointer};
    case Operation::literal:
        return {.kind = step.access == 8 ? Kind::pointer : Kind::other};
    case Operation::indexed_load: {
        if (first.kind != Kind::address || 1u << step.shift != step.access)
            return {};
        const Entry entry{Rva{first.what}, step.access};
        auto& known = entries_[at];
        if (known != entry) {
            known = entry;
            again_ = true;
        }
        return {.kind = Kind::entry, .is_signed = step.is_signed, .extended = !step.is_signed || step.wide, .what = at};
    }
    case Operation::add_register:
        return value_of_sum(at, state);
    case Operation::choose: {
        const Value second = step.rm == kNone ? Value{} : state[step.rm];
        if (first.kind == Kind::pointer || second.kind == Kind::pointer ||
            (first.kind == Kind::other && second.kind == Kind::other))
            return {};
        return {.kind = Kind::computed};
    }
    default:
        // What is loaded in other ways, or comes out of a vector register, may be a pointer.
        return {.kind = step.accesses || step.reads == 0 ? Kind::other : Kind::computed};
    }
}

Value Follower::value_of_sum(std::uint32_t at, const State& state) {
    const auto& step = steps_[at];
    const Value base = state[step.rn];
    const Value entry = step.rm == kNone ? Value{} : state[step.rm];
    if (base.kind != Kind::address || entry.kind != Kind::entry) {
        // The other way round: nothing is extended or shifted but the base.
        if (base.kind != Kind::entry || entry.kind != Kind::address || step.access != 8 || step.shift != 0 ||
            !base.extended)
            return {.kind = Kind::computed};
        const Destination sum{base.what, Rva{entry.what}, 0, base.is_signed};
        auto& known = destinations_[at];
        if (known != sum) {
            known = sum;
            again_ = true;
        }
        return {.kind = Kind::destination, .what = at};
    }
    const std::uint8_t size = entries_[entry.what].size;
    bool is_signed = entry.is_signed;
    if (step.access < size || (step.access == 4 && entry.is_signed && !step.is_signed))
        return {.kind = Kind::computed};
    if (step.access == size)
        is_signed = step.is_signed;
    else if (step.access == 8 && !entry.extended)
        return {.kind = Kind::computed};
    const Destination sum{entry.what, Rva{base.what}, step.shift, is_signed};
    auto& known = destinations_[at];
    if (known != sum) {
        known = sum;
        again_ = true;
    }
    return {.kind = Kind::destination, .what = at};
}

/// The one branch that leads to a label, if nothing else does.
std::optional<std::uint32_t> Follower::only_way_to(std::uint32_t label) {
    if (jumps_.empty()) {
        for (std::uint32_t at = 0; at < size(); ++at)
            if (jumps(steps_[at].operation))
                if (const auto to = word_of(at, steps_[at].value))
                    jumps_.emplace_back(*to, at);
        std::ranges::sort(jumps_);
    }
    if (std::ranges::find(switch_targets_, label) != switch_targets_.end())
        return std::nullopt;
    const auto first = std::ranges::lower_bound(jumps_, std::pair{label, 0u});
    if (first == jumps_.end() || first->first != label ||
        (std::next(first) != jumps_.end() && std::next(first)->first == label))
        return std::nullopt;
    return first->second;
}

/// How many entries a table has, by what limits the index on every way to its load: `cmp i, n; b.hi`, `and i, n`.
/// Follows the index back to where it comes from.
std::optional<std::uint32_t> Follower::bound_of(std::uint32_t load) {
    const auto& loads = steps_[load];
    if (loads.rm == kNone)
        return std::nullopt;
    std::uint32_t holds = 1u << loads.rm;
    std::int64_t more = -1; // what the number compared with is short of the count
    // The low bits of a register may be taken twice: for the comparison and for the index.
    std::uint8_t whole = kNone;
    std::int64_t low_bits = 0;
    std::uint8_t low_shift = 0;
    std::uint8_t compared = kNone;
    std::uint32_t compared_count = 0;
    std::uint32_t at = load;
    for (int i = 0; i < kCompareWindow; ++i) {
        bool taken = false;
        if (labels_[at] != 0) {
            if (at > 0 && steps_[at - 1].operation != Operation::invalid && !ends_flow(steps_[at - 1].operation))
                return std::nullopt;
            const auto from = only_way_to(at);
            if (!from)
                return std::nullopt;
            at = *from;
            taken = true;
        } else if (at == 0 || ends_flow(steps_[at - 1].operation)) {
            return std::nullopt;
        } else {
            --at;
        }
        const auto& step = steps_[at];
        if (step.operation == Operation::invalid || step.operation == Operation::call ||
            step.operation == Operation::call_register)
            return std::nullopt;
        if (step.operation == Operation::conditional) {
            if (step.condition == (taken ? kLowerOrSame : kHigher))
                more = 1;
            else if (step.condition == (taken ? kLower : kHigherOrSame))
                more = 0;
            continue;
        }
        if (step.operation == Operation::compare && more >= 0 && step.rn != kNone &&
            (step.written >> step.rn & 1) == 0 && step.value < 0x10000) {
            const std::uint32_t count = static_cast<std::uint32_t>(static_cast<std::int64_t>(step.value) + more);
            if ((holds >> step.rn & 1) != 0)
                return count;
            if (compared == kNone) {
                compared = step.rn;
                compared_count = count;
            }
        }
        if (step.sets_flags)
            more = -1;
        const bool takes_low_bits =
            step.operation == Operation::mask || (step.operation == Operation::extend && !step.is_signed);
        const std::int64_t taken_bits =
            step.operation == Operation::mask ? step.value : (std::int64_t{1} << (8 * (step.access & 7))) - 1;
        if (compared != kNone && step.written == 1u << compared) {
            if (takes_low_bits && step.rn == whole && taken_bits == low_bits && step.shift == low_shift)
                return compared_count;
            compared = kNone;
        }
        if (whole != kNone && (step.written >> whole & 1) != 0)
            whole = kNone;
        if ((step.written & holds) == 0)
            continue;
        const bool all = step.rd != kNone && (holds >> step.rd & 1) != 0;
        holds &= ~step.written;
        if (all && takes_low_bits && step.operation == Operation::mask && step.value < 0xff)
            return static_cast<std::uint32_t>(step.value) + 1;
        if (all && step.rn != kNone && takes_low_bits) {
            whole = (step.written >> step.rn & 1) == 0 ? step.rn : kNone;
            low_bits = taken_bits;
            low_shift = step.shift;
        }
        if (all && step.rn != kNone &&
            (step.operation == Operation::copy || (step.operation == Operation::extend && step.access >= 4)))
            holds |= 1u << step.rn;
        if (holds == 0 && whole == kNone)
            return std::nullopt;
    }
    return std::nullopt;
}

} // namespace

RegisterFlow follow_registers(const Stretch& stretch, std::span<const Instruction> steps, const FlowHints& hints,
                              Reach reach) {
    if (steps.size() > kMaxWords) {
        RegisterFlow none;
        none.undecoded = "too large for its registers to be followed";
        return none;
    }
    thread_local Scratch scratch;
    return Follower(stretch, steps, hints, scratch).run(reach);
}

} // namespace suture::program::arm64
