#include "patchgen/program/reach_back.hpp"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <utility>

namespace suture::program {

namespace {

/// Larger distances are of no table.
constexpr std::int64_t kFurthest = std::int64_t{1} << 24;
/// Times that a place of the code is looked at before what goes on sinking is taken to sink for good.
constexpr std::uint32_t kMostRounds = 4;

struct Reached {
    Lows lows;
    std::uint32_t rounds = 0;
    bool is_pending = false;
};

bool join_low(std::int32_t& mine, std::int32_t other, bool sinks) {
    if (other >= mine)
        return false;
    mine = sinks && mine != Lows::kNone ? Lows::kOpen : other;
    return true;
}

/// What is something else on another way, such as a text that stands for one that is missing, is not gone through as a
/// table is.
bool join_address(std::int32_t& mine, std::int32_t other, bool sinks) {
    if (mine == Lows::kNone || other != Lows::kNone)
        return mine != Lows::kNone && join_low(mine, other, sinks);
    mine = Lows::kNone;
    return true;
}

} // namespace

std::int32_t Lows::one_of(std::int32_t a, std::int32_t b) {
    return a == kNone || b == kNone ? kNone : std::min(a, b);
}

bool Lows::join(const Lows& other, bool sinks) {
    bool lower = false;
    for (std::size_t i = 0; i < kRegisters; ++i) {
        lower |= join_address(address[i], other.address[i], sinks);
        lower |= join_low(number[i], other.number[i], sinks);
    }
    for (std::size_t i = 0; i < kRegisters; ++i)
        if (of_switch[i] != other.of_switch[i] && of_switch[i] != kAnySwitch) {
            of_switch[i] = kAnySwitch;
            lower = true;
        }
    for (const Place& place : other.on_stack_) {
        std::int32_t low = load(place.base, place.distance);
        if (join_low(low, place.low, sinks)) {
            store(place.base, place.distance, low);
            lower = true;
        }
    }
    return lower;
}

std::vector<Lows::Place>::const_iterator Lows::place_at(std::uint8_t base, std::int64_t distance) const {
    return std::ranges::find_if(on_stack_,
                                [&](const Place& place) { return place.base == base && place.distance == distance; });
}

void Lows::store(std::uint8_t base, std::int64_t distance, std::int32_t low) {
    const auto known = place_at(base, distance);
    if (known != on_stack_.end())
        on_stack_.erase(known);
    if (low != kNone)
        on_stack_.push_back({base, distance, low});
}

std::int32_t Lows::load(std::uint8_t base, std::int64_t distance) const {
    const auto known = place_at(base, distance);
    return known == on_stack_.end() ? kNone : known->low;
}

std::int32_t Lows::sum(std::int32_t low, std::int64_t number) {
    if (low == kNone || low == kOpen)
        return low;
    const std::int64_t result = low + std::clamp(number, -2 * kFurthest, 2 * kFurthest);
    return result < -kFurthest ? kOpen : static_cast<std::int32_t>(std::min(result, kFurthest));
}

std::int32_t Lows::sum_of_lows(std::int32_t low, std::int32_t number, std::int64_t scale) {
    if (low == kNone)
        return low;
    // `table[c - '0']`: compilers move the table, not the character, before the sum or behind it.
    if (number == kNone)
        return low == kOpen ? kOpen : kNone;
    return number == kOpen ? kOpen : sum(low, number * scale);
}

void BackTrace::access(std::int32_t low) {
    accessed_ = std::min(accessed_, low);
}

void BackTrace::make(std::int32_t low) {
    if (low != Lows::kOpen)
        made_ = std::min(made_, low);
}

ReachBack BackTrace::result() const {
    if (accessed_ >= 0)
        return {};
    const bool is_open = accessed_ == Lows::kOpen;
    return {static_cast<std::uint32_t>(-std::int64_t{is_open ? made_ : accessed_}), is_open};
}

ReachBack reach_back(const BackCode& code, const BackStep& step) {
    BackTrace trace;
    std::unordered_map<std::uint32_t, Reached> reached;
    // Of what waits, the first in the code: most of what leads there has been looked at then.
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> pending;
    const auto lead_to = [&](std::uint32_t index, const Lows& lows) {
        if (index >= code.count)
            return;
        const auto [place, fresh] = reached.try_emplace(index, Reached{lows});
        Reached& known = place->second;
        if ((!fresh && !known.lows.join(lows, known.rounds > kMostRounds)) || known.is_pending)
            return;
        known.is_pending = true;
        ++known.rounds;
        pending.push(index);
    };
    lead_to(0, {});
    auto taker = code.takers.begin();
    for (std::size_t steps = 0;; ++steps) {
        // Nothing may be known to lead to where exceptions go on.
        while (pending.empty() && taker != code.takers.end()) {
            if (!reached.contains(*taker))
                lead_to(*taker, {});
            ++taker;
        }
        if (pending.empty())
            break;
        const std::uint32_t index = pending.top();
        pending.pop();
        Reached& here = reached.at(index);
        here.is_pending = false;
        Lows now = here.lows;
        if (steps > kMostSteps || now.places() > kMostPlaces)
            return {0, true};
        const std::uint16_t which = code.jump_register ? now.of_switch[code.jump_register(index)] : Lows::kAnySwitch;
        step(index, now, trace);
        const Ways on = code.ways(index);
        if (on.goes_on)
            lead_to(index + 1, now);
        if (on.jump != Ways::kNowhere)
            lead_to(on.jump, now);
        for (std::size_t i = 0; on.by_table && i < code.cases.size(); ++i)
            if (which == Lows::kAnySwitch || which == i)
                for (const std::uint32_t label : code.cases[i].labels)
                    lead_to(label, now);
    }
    return trace.result();
}

ReachBack reach_back(const Program& program, const Function& function, const Reference& reference) {
    if (reference.use != Use::address)
        return {};
    const auto bytes = program.image().bytes_at(function.range.begin, function.range.size);
    if (!function.decoded || !bytes)
        return {0, true};
    const auto all = offsets_of_cases(function);
    if (!all || function.jump_tables.size() >= Lows::kAnySwitch)
        return {0, true};
    std::vector<Cases> cases;
    for (const JumpTable& table : function.jump_tables) {
        Cases& one = cases.emplace_back();
        for (const Reference& other : function.references)
            if (other.target == table.at || (other.target == table.base && table.base.value != 0))
                one.takers.push_back(other.instruction);
        for (const Rva target : table.targets)
            if (function.range.contains(target))
                one.labels.push_back(target - function.range.begin);
        std::ranges::sort(one.labels);
        one.labels.erase(std::unique(one.labels.begin(), one.labels.end()), one.labels.end());
    }
    // The address may be made anew in between.
    std::vector<std::uint32_t> takers;
    for (const Reference& other : function.references)
        if (other.use == Use::address && other.target == reference.target && other.kind != ReferenceKind::arm64_page21)
            takers.push_back(other.instruction);
    const Stretch stretch{.begin = function.range.begin, .bytes = *bytes, .image_base = program.image().image_base()};
    return machine_code(program.image().machine()).reach_back(stretch, function.instructions.offsets(), cases, takers);
}

std::uint32_t bytes_in_front(const Program& program, const ReachBack& back, Rva at) {
    const DataObject* front = back.is_open && at.value != 0 ? program.data_at(at - 1) : nullptr;
    const pe::Section* section = back.any() && at.value != 0 ? program.image().section_at(at - 1) : nullptr;
    if (!section)
        return 0;
    return std::min(std::max(back.bytes, front ? at - front->range.begin : 0), at - section->range.begin);
}

} // namespace suture::program
