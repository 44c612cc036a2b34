#include "patchgen/prove/arm64/register_state.hpp"

#include <algorithm>

namespace suture::prove::arm64 {

namespace {

constexpr std::uint32_t kLastVolatile = 17; // x18 is the platform's
constexpr std::uint32_t kLink = 30;

Value joined(const Value& a, const Value& b) {
    if (a == b)
        return a;
    // Whoever goes on from a register behind a call relies on the callee that kept it.
    const auto is_page = [](const Value& value) {
        return value.kind == Value::Kind::page || value.kind == Value::Kind::clobbered;
    };
    if (is_page(a) && is_page(b) && a.updated == b.updated && a.place == b.place)
        return {Value::Kind::page, a.updated, a.place};
    return {};
}

bool is_garbage(const Value* value) {
    return value && value->kind == Value::Kind::clobbered;
}

bool is_same(const Value* value) {
    return !value || value->is_same();
}

} // namespace

RegisterState::RegisterState(Registers different, Value::Kind kind) {
    for (std::uint32_t number = 0; number < kZero; ++number)
        if (different >> number & 1)
            values_.emplace_back(number, Value{kind, {}, std::nullopt});
}

const Value* RegisterState::find(std::uint32_t number) const {
    const auto found = std::ranges::find(values_, number, &std::pair<std::uint32_t, Value>::first);
    return found != values_.end() ? &found->second : nullptr;
}

void RegisterState::set(std::uint32_t number, Value value) {
    const auto at = std::ranges::lower_bound(values_, number, {}, &std::pair<std::uint32_t, Value>::first);
    if (at != values_.end() && at->first == number)
        at->second = value;
    else
        values_.emplace(at, number, value);
}

void RegisterState::forget(Registers numbers) {
    std::erase_if(values_, [&](const auto& one) { return numbers >> one.first & 1; });
}

void RegisterState::call(Registers kept) {
    const auto is_lost = [&](std::uint32_t number) {
        return (number <= kLastVolatile || number == kLink) && !(kept >> number & 1);
    };
    std::erase_if(values_, [&](const auto& one) {
        return one.second.is_same() && (one.second.kind != Value::Kind::guard || is_lost(one.first));
    });
    for (auto& [number, value] : values_)
        if (is_lost(number))
            value.kind = Value::Kind::clobbered;
}

Registers RegisterState::not_same() const {
    Registers result = 0;
    for (const auto& [number, value] : values_)
        if (!value.is_same())
            result |= 1u << number;
    return result;
}

bool RegisterState::join(const RegisterState& other) {
    std::vector<std::pair<std::uint32_t, Value>> result;
    const Registers differing = not_same() | other.not_same();
    for (std::uint32_t number = 0; number < kZero; ++number) {
        const Value* a = find(number);
        const Value* b = other.find(number);
        // Nobody reads garbage, nor a bare page for a number: whoever reads what is the same on the other way comes
        // by that way, and the call on this one does not return.
        if ((is_garbage(a) && is_same(b)) || (is_garbage(b) && is_same(a)))
            continue;
        if (differing >> number & 1)
            result.emplace_back(number, a && b ? joined(*a, *b) : Value{});
        else if (a && b && *a == *b)
            result.emplace_back(number, *a);
    }
    const bool changed = result != values_;
    values_ = std::move(result);
    return changed;
}

} // namespace suture::prove::arm64
