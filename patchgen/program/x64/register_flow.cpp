#include "patchgen/program/x64/register_flow.hpp"

#include "patchgen/program/x64/operations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

namespace suture::program::x64 {

namespace {

/// Most passes over a function until what registers hold is settled. Each pass that is not the last makes some
/// register less known at some label; compilers' code needs two or three.
constexpr int kMaxPasses = 64;
/// How far in front of a table's load its comparison may stand, in instructions.
constexpr std::size_t kCompareWindow = 24;
constexpr std::uint32_t kHeaders = 0x1000;
constexpr std::size_t kRegisters = 16;

struct Value {
    enum class Kind : std::uint8_t {
        other,
        pointer, ///< 8 bytes from memory
        image_base,
        perhaps_base, ///< the image base on some path
        address,      ///< `at`
        entry,        ///< an entry of the table `at`
        destination,  ///< an entry of the table `at` with `base` added
        scaled,       ///< the number of a table's entry times 4, made by the step `load`
        computed,     ///< another result of addition
    };
    Kind kind = Kind::other;
    Rva at = {};
    Rva base = {};
    std::uint32_t load = 0; ///< of an entry: the step that loads it, or multiplies its number for that
    bool supposed = false;  ///< of an address: a call does not return, or keeps it, or nothing reads it

    bool operator==(const Value&) const = default;
    /// Compilers let the entries of a switch's table count from the table itself. By other ones, as people write them
    /// with addresses of labels, one jump may serve several tables.
    bool is_doubtful() const { return supposed && at != base; }
};
using Kind = Value::Kind;

/// What the registers hold. Most hold nothing of interest most of the time.
class State {
  public:
    const Value& operator[](std::size_t reg) const { return (held_ >> reg & 1) != 0 ? values_[reg] : kNothing; }
    void set(std::size_t reg, const Value& value) {
        const auto bit = static_cast<std::uint16_t>(1u << reg);
        if (value == kNothing) {
            held_ &= static_cast<std::uint16_t>(~bit);
            return;
        }
        held_ |= bit;
        values_[reg] = value;
    }
    void forget(std::uint16_t registers) { held_ &= static_cast<std::uint16_t>(~registers); }
    /// Registers that hold anything.
    std::uint16_t held() const { return held_; }

  private:
    static constexpr Value kNothing{};
    std::uint16_t held_ = 0;
    std::array<Value, kRegisters> values_{}; ///< of meaning where held_ says so
};

/// R8-R11, RAX, RCX, RDX: what a call may change. With -fipa-ra it may also not.
constexpr std::uint16_t kVolatile = 0x0f07;

Value merge(const Value& a, const Value& b) {
    if (a == b)
        return a;
    if (Value sure = a; a.supposed != b.supposed) {
        sure.supposed = b.supposed;
        if (sure == b)
            return a.supposed ? a : b;
    }
    if (a.kind == Kind::image_base || b.kind == Kind::image_base || a.kind == Kind::perhaps_base ||
        b.kind == Kind::perhaps_base)
        return {.kind = Kind::perhaps_base};
    return {};
}

/// What the addition of an entry of a table makes.
Value sum_of(const Value& entry, const Value& from) {
    if (entry.kind != Kind::entry || (from.kind != Kind::address && from.kind != Kind::image_base))
        return {.kind = Kind::computed};
    return {.kind = Kind::destination,
            .at = entry.at,
            .base = from.kind == Kind::address ? from.at : Rva{},
            .load = entry.load,
            .supposed = entry.supposed || from.supposed};
}

/// Merges into `to`, and says whether it changed.
bool merge_into(State& to, const State& from) {
    bool changed = false;
    for (unsigned left = unsigned{to.held()} | from.held(); left != 0; left &= left - 1) {
        const auto reg = static_cast<std::size_t>(std::countr_zero(left));
        const Value merged = merge(to[reg], from[reg]);
        changed |= merged != to[reg];
        to.set(reg, merged);
    }
    return changed;
}

class Follower final : public RegisterFollower {
  public:
    Follower(const Stretch& stretch, std::span<const std::uint32_t> instructions)
        : stretch_(stretch), steps_(steps_of(stretch, instructions)) {
        find_labels();
    }

    /// Going on to everything begins with what the known ways told before.
    RegisterFlow follow(const FlowHints& hints, Reach reach) override {
        hints_ = &hints;
        bool settled = (reach == Reach::everything && knows_ways_) || settle();
        knows_ways_ = settled;
        if (reach == Reach::everything && settled) {
            reach_ = reach;
            settled = settle();
        }
        if (!settled)
            found_.undecoded = "the contents of its registers are not understood";
        std::ranges::sort(found_.switches);
        const auto repeated = std::ranges::unique(found_.switches);
        found_.switches.erase(repeated.begin(), repeated.end());
        found_.address_tables = address_tables_but(found_.switches, std::move(destinations_));
        std::ranges::sort(found_.references);
        return std::move(found_);
    }

  private:
    void find_labels() {
        labels_.assign(stretch_.bytes.size(), kUnmarked);
        for (const auto& step : steps_)
            if (step.jumps && step.target >= stretch_.begin && step.target - stretch_.begin < stretch_.bytes.size())
                labels_[step.target - stretch_.begin] = kMarked;
    }

    /// Passes over the function until nothing changes.
    bool settle() {
        for (int i = 0; i < kMaxPasses; ++i) {
            found_ = {};
            destinations_.clear();
            again_ = waits_ = false;
            pass();
            if (!again_ && (!waits_ || gives_up_))
                return true;
            gives_up_ = !again_;
        }
        return false;
    }

    void pass() {
        State state{};
        bool reachable = true;
        bool waiting = false;
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            const auto& step = steps_[i];
            const std::uint32_t label = labels_[step.offset];
            if (label >= kFirstKnown) {
                State& known = at_labels_[label - kFirstKnown];
                if (reachable && runs_on_behind_call(i)) {
                    state = behind_call(known, state);
                } else {
                    if (reachable)
                        merge_into(known, state);
                    state = known;
                }
                waiting = false;
            } else if (!reachable) {
                if (reach_ == Reach::known_ways || step.fill)
                    continue;
                // A jump further on leads here, and has not been seen with what it brings along.
                waiting |= label == kMarked && !gives_up_;
                if (waiting) {
                    waits_ = true;
                    waiting = !step.ends_flow;
                    continue;
                }
                // The way on from a fast failure is never taken: that it is known is as good as anything.
                if (!steps_[i - 1].fails)
                    state = unknown();
            } else if (label == kMarked && !runs_on_behind_call(i)) {
                add_label(step.offset, state);
            }
            reachable = take(i, state);
        }
    }

    /// Whether the step in front of a label is a call, of which it is not known that it returns.
    bool runs_on_behind_call(std::size_t index) const {
        while (index > 0 && steps_[index - 1].fill)
            --index;
        return index > 0 && steps_[index - 1].operation == Operation::call;
    }

    /// What registers hold at a label that is jumped to, and stands behind a call. The jump of a compiler's switch
    /// goes by one table on all ways that are ever gone: where the register with its address holds anything else
    /// behind the call, the call does not return. So the address that jumps bring along is kept, on that condition.
    State behind_call(const State& jumped, const State& returned) const {
        State state = jumped;
        merge_into(state, returned);
        for (unsigned left = jumped.held(); left != 0; left &= left - 1) {
            const auto reg = static_cast<std::size_t>(std::countr_zero(left));
            Value value = jumped[reg];
            if (value.kind != Kind::address || state[reg].kind != Kind::other || !hints_->looks_like_table(value.at))
                continue;
            value.supposed = true;
            state.set(reg, value);
        }
        return state;
    }

    /// What registers hold where nothing is known to lead, but an exception may.
    State unknown() const {
        State state{};
        for (std::size_t i = 0; i < kRegisters; ++i)
            if ((held_base_ >> i & 1) != 0)
                state.set(i, {.kind = Kind::perhaps_base});
        return state;
    }

    void add_label(std::uint32_t offset, const State& state) {
        labels_[offset] = kFirstKnown + static_cast<std::uint32_t>(at_labels_.size());
        at_labels_.push_back(state);
    }

    void jump_to(std::uint32_t offset, std::uint32_t from, const State& state) {
        const std::uint32_t label = labels_[offset];
        const bool fresh = label < kFirstKnown;
        const bool changed = !fresh && merge_into(at_labels_[label - kFirstKnown], state);
        if (fresh)
            add_label(offset, state);
        // What lies in front has been passed with less.
        if ((fresh || changed) && offset <= from)
            again_ = true;
    }

    void set(State& state, std::int8_t reg, Value value) {
        if (reg == kNone)
            return;
        state.set(static_cast<std::size_t>(reg), value);
        if (value.kind == Kind::image_base && (held_base_ >> reg & 1) == 0) {
            held_base_ |= static_cast<std::uint16_t>(1u << reg);
            again_ = true;
        }
    }

    static Value get(const State& state, std::int8_t reg) {
        return reg == kNone ? Value{} : state[static_cast<std::size_t>(reg)];
    }

    bool take(std::size_t index, State& state);
    void take_memory(const Step& step, const State& state);
    void take_call(State& state) const;
    void take_switch(std::size_t index, const State& state);
    Value value_of(std::size_t index, const State& state);
    std::optional<std::uint32_t> bound_before(std::size_t load) const;

    void not_understood(const Step& step, std::string_view why) {
        if (found_.undecoded.empty())
            found_.undecoded = fmt::format("{} at 0x{:x}", why, stretch_.begin.value + step.offset);
    }

    const Stretch& stretch_;
    std::vector<Step> steps_;
    const FlowHints* hints_ = nullptr;
    Reach reach_ = Reach::known_ways;
    bool knows_ways_ = false;                     ///< it has followed those that are known
    static constexpr std::uint32_t kUnmarked = 0; ///< nothing jumps there
    static constexpr std::uint32_t kMarked = 1;   ///< something does, and no way has been seen yet
    static constexpr std::uint32_t kFirstKnown = 2;
    std::vector<std::uint32_t> labels_; ///< by offset: one of these, or kFirstKnown + index in at_labels_
    std::vector<State> at_labels_;      ///< what registers hold, by all ways to the label seen so far
    RegisterFlow found_;
    std::vector<AddressTable> destinations_; ///< tables whose entries were added to something
    bool again_ = false;
    bool waits_ = false;    ///< some code was not reached, but a jump may yet lead there
    bool gives_up_ = false; ///< nothing else does: such jumps lie in code that was not reached either
    bool base_stored_ = false;
    std::uint16_t held_base_ = 0; ///< registers that have held the image base
};

/// Returns whether the next step is reached from this one.
bool Follower::take(std::size_t index, State& state) {
    const auto& step = steps_[index];
    if (step.memory)
        take_memory(step, state);
    if (step.operation == Operation::store) {
        const auto kind = get(state, step.src).kind;
        if ((kind == Kind::image_base || kind == Kind::perhaps_base) && !base_stored_)
            base_stored_ = again_ = true;
    }
    if (step.operation == Operation::jump_register)
        take_switch(index, state);
    if (step.operation == Operation::call) {
        take_call(state);
        return true;
    }
    if (step.jumps) {
        if (step.target >= stretch_.begin && step.target - stretch_.begin < stretch_.bytes.size())
            jump_to(step.target - stretch_.begin, step.offset, state);
        return !step.ends_flow;
    }
    if (step.ends_flow)
        return false;
    const Value value = value_of(index, state);
    if (value.kind == Kind::destination && !value.is_doubtful())
        destinations_.push_back({value.at, value.base});
    state.forget(step.written);
    if ((step.written & (step.dst == kNone ? 0 : 1u << step.dst)) != 0)
        set(state, step.dst, value);
    return true;
}

void Follower::take_memory(const Step& step, const State& state) {
    const auto base = get(state, step.base).kind;
    const auto index = get(state, step.index).kind;
    const bool by_base = base == Kind::image_base || (index == Kind::image_base && step.scale <= 1);
    const bool perhaps = base == Kind::perhaps_base || index == Kind::perhaps_base;
    const auto rva = static_cast<std::uint32_t>(step.displacement);
    if (!step.wide_displacement || (!by_base && !perhaps) || step.displacement < static_cast<std::int32_t>(kHeaders) ||
        rva >= stretch_.image_size)
        return;
    if (!by_base || perhaps)
        return not_understood(step, "displacement that is an RVA on some paths");
    // How much of an array is read by an index is not known.
    const bool indexed = step.access.use == Use::read && step.base != kNone && step.index != kNone;
    found_.references.push_back({.offset = step.offset + step.displacement_at,
                                 .size = 4,
                                 .kind = ReferenceKind::image_relative,
                                 .use = step.access.use,
                                 .access_size = indexed ? 0 : step.access.size,
                                 .addend = 0,
                                 .target = Rva{rva},
                                 .instruction = step.offset});
}

void Follower::take_call(State& state) const {
    for (unsigned left = state.held() & kVolatile; left != 0; left &= left - 1) {
        const auto reg = static_cast<std::size_t>(std::countr_zero(left));
        Value value = state[reg];
        if (value.kind == Kind::address && hints_->looks_like_table(value.at))
            value.supposed = true;
        else if (value.kind == Kind::image_base || value.kind == Kind::perhaps_base)
            value = {.kind = Kind::perhaps_base};
        else
            value = {};
        state.set(reg, value);
    }
}

void Follower::take_switch(std::size_t index, const State& state) {
    const auto& step = steps_[index];
    const Value value = get(state, step.src);
    if (value.is_doubtful() && value.kind != Kind::other)
        return not_understood(step, "jump by way of a table that is not understood");
    if (value.kind == Kind::destination) {
        const Switch found{value.at, value.base, bound_before(value.load)};
        found_.switches.push_back(found);
        for (const std::uint32_t target : hints_->jumps_of(found))
            jump_to(target, step.offset, state);
        return;
    }
    if (value.kind == Kind::pointer || (value.kind == Kind::other && step.leaves))
        return; // a call in tail position
    if (value.kind == Kind::address && !hints_->looks_like_table(value.at)) {
        if (value.at >= stretch_.begin && value.at - stretch_.begin < stretch_.bytes.size())
            jump_to(value.at - stretch_.begin, step.offset, state);
        return;
    }
    if (value.kind != Kind::other)
        return not_understood(step, "jump by way of a table that is not understood");
    // That too, unless the function has a table in hand.
    for (const auto& other : steps_)
        if (other.operation == Operation::load_address && hints_->looks_like_table(other.target))
            return not_understood(step, "jump by way of a table that is not understood");
}

Value Follower::value_of(std::size_t index, const State& state) {
    const auto& step = steps_[index];
    const Value base = get(state, step.base);
    const Value second = get(state, step.index);
    const auto distance = static_cast<std::uint32_t>(step.displacement);
    switch (step.operation) {
    case Operation::load_address:
        return step.target.value == 0 ? Value{.kind = Kind::image_base}
                                      : Value{.kind = Kind::address, .at = step.target};
    case Operation::compute:
        if (step.index == kNone && base.kind == Kind::image_base)
            return step.displacement == 0 ? base : Value{.kind = Kind::address, .at = Rva{distance}};
        if (step.index == kNone && base.kind == Kind::address)
            return {.kind = Kind::address, .at = base.at + distance, .supposed = base.supposed};
        if (step.base == kNone && step.scale == 4 && step.displacement == 0)
            return {.kind = Kind::scaled, .load = static_cast<std::uint32_t>(index)};
        if (step.scale == 1 && step.displacement == 0) {
            const auto& entry = base.kind == Kind::entry ? base : second;
            const auto& from = base.kind == Kind::entry ? second : base;
            return sum_of(entry, from);
        }
        return {.kind = Kind::computed};
    case Operation::copy:
        return get(state, step.src);
    case Operation::extend:
        return get(state, step.src).kind == Kind::entry ? get(state, step.src) : Value{};
    case Operation::load_signed:
    case Operation::load_unsigned:
        // GCC without optimisation.
        if (step.scale == 1 && step.displacement == 0 &&
            (base.kind == Kind::scaled ? second.kind == Kind::address
                                       : base.kind == Kind::address && second.kind == Kind::scaled)) {
            const Value& number = base.kind == Kind::scaled ? base : second;
            const Value& table = base.kind == Kind::scaled ? second : base;
            return {.kind = Kind::entry, .at = table.at, .load = number.load, .supposed = table.supposed};
        }
        if (step.scale != 4 || step.index == kNone)
            return {};
        if (base.kind == Kind::address)
            return {.kind = Kind::entry,
                    .at = base.at + distance,
                    .load = static_cast<std::uint32_t>(index),
                    .supposed = base.supposed};
        if (base.kind == Kind::image_base && step.displacement > 0)
            return {.kind = Kind::entry, .at = Rva{distance}, .load = static_cast<std::uint32_t>(index)};
        return {};
    case Operation::load:
        // A spilled register comes back from the frame.
        return {.kind = base_stored_ && (step.base == 4 || step.base == 5) ? Kind::perhaps_base : Kind::pointer};
    case Operation::add: {
        const Value& a = get(state, step.dst);
        const Value& b = get(state, step.src);
        const auto& entry = a.kind == Kind::entry ? a : b;
        const auto& from = a.kind == Kind::entry ? b : a;
        return sum_of(entry, from);
    }
    default:
        return {};
    }
}

bool same_operand(const Step& a, const Step& b) {
    return a.memory && b.memory && a.base == b.base && a.index == b.index && a.displacement == b.displacement &&
           a.access.size == b.access.size;
}

/// How many entries a table has, by the comparison that guards its load: `cmp i, n; ja` or `and i, n`.
std::optional<std::uint32_t> Follower::bound_before(std::size_t load) const {
    std::uint16_t holds = static_cast<std::uint16_t>(1u << steps_[load].index);
    const Step* branch = nullptr;
    // A copy may be made before the comparison.
    std::int8_t compared = kNone;
    std::uint32_t compared_count = 0;
    // Without optimisation, what is compared lies on the stack.
    const Step* from_stack = nullptr;
    for (std::size_t back = 1; back <= kCompareWindow && back <= load; ++back) {
        const auto& step = steps_[load - back];
        if (step.ends_flow || step.operation == Operation::call)
            return std::nullopt;
        const bool known = step.dst != kNone && (holds >> step.dst & 1) != 0;
        if (step.above || step.above_or_equal)
            branch = &step;
        if (step.operation == Operation::compare && branch && step.immediate < 0x10000) {
            const std::uint32_t count = static_cast<std::uint32_t>(step.immediate) + (branch->above ? 1 : 0);
            if (known || (from_stack && same_operand(step, *from_stack)))
                return count;
            compared = step.dst;
            compared_count = count;
        }
        if (from_stack && (step.access.use == Use::write || ((step.written >> from_stack->base) & 1) != 0))
            return std::nullopt;
        if (step.sets_flags)
            branch = nullptr;
        if (step.operation == Operation::mask && known && step.immediate < 0x10000)
            return static_cast<std::uint32_t>(step.immediate) + 1;
        if ((step.operation == Operation::copy || step.operation == Operation::extend) && known && step.src != kNone) {
            if (step.src == compared)
                return compared_count;
            holds |= static_cast<std::uint16_t>(1u << step.src);
            continue;
        }
        if (compared != kNone && (step.written >> compared & 1) != 0)
            compared = kNone;
        if (known && step.memory && (step.base == 4 || step.base == 5) && step.index == kNone &&
            (step.operation == Operation::load_unsigned || step.operation == Operation::load_signed)) {
            from_stack = &step;
            continue;
        }
        holds &= static_cast<std::uint16_t>(~step.written);
        if (holds == 0)
            return std::nullopt;
    }
    return std::nullopt;
}

} // namespace

std::unique_ptr<RegisterFollower> make_follower(const Stretch& stretch, std::span<const std::uint32_t> instructions) {
    return std::make_unique<Follower>(stretch, instructions);
}

} // namespace suture::program::x64
