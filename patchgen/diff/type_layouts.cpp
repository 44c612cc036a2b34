#include "patchgen/diff/type_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace suture::diff {

using program::TypeKind;
using program::TypeLayout;
using program::TypeMember;

namespace {

using Members = std::vector<TypeMember>;

std::string place_of(const TypeMember& member) {
    if (member.kind == TypeMember::Kind::virtual_function)
        return fmt::format("slot {}", member.offset / 8);
    return member.bits == 0 ? fmt::format("+0x{:x}", member.offset)
                            : fmt::format("+0x{:x}, bits {}-{}", member.offset, member.bit,
                                          unsigned{member.bit} + std::max<unsigned>(member.bits, 1) - 1);
}

std::string spelled(const TypeMember& member) {
    return member.kind == TypeMember::Kind::base               ? fmt::format("base {}", member.name)
           : member.kind == TypeMember::Kind::virtual_function ? fmt::format("virtual function {}", member.name)
                                                               : fmt::format("member {}", member.name);
}

auto place_key(const TypeMember& member) {
    return std::tuple(member.kind, member.offset, member.bit, member.bits);
}

auto key_of(const TypeMember& member) {
    return std::tuple(member.kind, member.offset, member.bit, member.bits, member.form);
}

/// Those of `members` that `others` does not have, name and all.
std::vector<const TypeMember*> only_in(const Members& members, const Members& others) {
    std::multimap<std::string_view, const TypeMember*> known;
    for (const TypeMember& one : others)
        known.emplace(one.name, &one);
    std::vector<const TypeMember*> result;
    for (const TypeMember& one : members) {
        const auto [first, last] = known.equal_range(one.name);
        if (std::none_of(first, last, [&](const auto& other) { return key_of(*other.second) == key_of(one); }))
            result.push_back(&one);
    }
    return result;
}

std::optional<std::string> record_difference(const Members& before, const Members& after, bool is_union) {
    const auto gone = only_in(before, after);
    const auto come = only_in(after, before);
    for (const TypeMember* one : gone) {
        const auto named =
            std::ranges::find_if(come, [&](const TypeMember* other) { return other->name == one->name; });
        if (named != come.end() && place_key(**named) != place_key(*one))
            return fmt::format("{} is at {}, was at {}", spelled(*one), place_of(**named), place_of(*one));
        if (named != come.end())
            return (*named)->type == one->type
                       ? fmt::format("{} at {} is another {}", spelled(*one), place_of(*one), one->type)
                       : fmt::format("{} at {} is {}, was {}", spelled(*one), place_of(*one), (*named)->type,
                                     one->type);
    }
    // What is left has other names. A member that has another name and nothing else is the same one.
    const auto renamed = [](const TypeMember* one, const std::vector<const TypeMember*>& others) {
        return std::ranges::any_of(others, [&](const TypeMember* other) { return key_of(*other) == key_of(*one); });
    };
    for (const TypeMember* one : gone)
        if (!renamed(one, come))
            return fmt::format("{} ({}) at {} is gone", spelled(*one), one->type, place_of(*one));
    for (const TypeMember* one : come)
        if (!is_union && !renamed(one, gone))
            return fmt::format("{} ({}) at {} is new, and old objects do not have it", spelled(*one), one->type,
                               place_of(*one));
    return std::nullopt;
}

/// True for names like kKindCount, KIND_MAX and NUM_KINDS.
bool is_end_marker(std::string_view name) {
    static constexpr std::array<std::string_view, 8> kMarks{"count", "max",  "last",  "num",
                                                            "end",   "size", "limit", "total"};
    std::string lower;
    for (const char c : name)
        lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return std::ranges::any_of(kMarks, [&](std::string_view mark) { return lower.find(mark) != lower.npos; });
}

std::int64_t highest(const Members& members) {
    std::int64_t value = INT64_MIN;
    for (const TypeMember& one : members)
        value = std::max(value, one.offset);
    return value;
}

std::optional<std::string> enumeration_difference(const Members& before, const Members& after) {
    std::map<std::string_view, std::int64_t> values;
    for (const TypeMember& one : after)
        values.emplace(one.name, one.offset);
    for (const TypeMember& one : before) {
        const auto found = values.find(one.name);
        if (found == values.end() || found->second == one.offset)
            continue;
        if (is_end_marker(one.name) && one.offset == highest(before) && found->second == highest(after) &&
            found->second > one.offset)
            continue;
        return fmt::format("{} is {}, was {}", one.name, found->second, one.offset);
    }
    return std::nullopt;
}

} // namespace

std::optional<std::string> layout_difference(const program::Types& baseline, const TypeLayout& before,
                                             const program::Types& updated, const TypeLayout& after) {
    if (before.digest == after.digest)
        return std::nullopt;
    if (before.kind != after.kind)
        return "it is another kind of type";
    std::optional<std::string> inner;
    const auto old_members = baseline.members(before);
    const auto new_members = updated.members(after);
    if (old_members && new_members)
        inner = before.kind == TypeKind::enumeration
                    ? enumeration_difference(*old_members, *new_members)
                    : record_difference(*old_members, *new_members, before.kind == TypeKind::union_type);
    else
        inner = "its members are not understood";
    if (before.size != after.size)
        return fmt::format("it has {} bytes, had {}{}{}", after.size, before.size, inner ? ": " : "",
                           inner.value_or(""));
    return inner;
}

} // namespace suture::diff
