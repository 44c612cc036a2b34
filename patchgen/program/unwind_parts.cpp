#include "patchgen/program/unwind_parts.hpp"

#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <fmt/format.h>

namespace suture::program {

namespace {

/// Longest chain that is followed. Compilers make one link; Windows itself stops after 32.
constexpr int kMaxChain = 32;
/// Most scopes of one function; real ones have some dozen.
constexpr std::uint32_t kMaxScopes = 4096;

/// The entry of the function that `entry` is a part of.
Result<Rva> root_of(const pe::Image& image, pe::RuntimeFunction entry) {
    for (int link = 0; link < kMaxChain; ++link) {
        SUTURE_TRY(const auto info, pe::unwind_info_at(image, entry.unwind_info));
        if (!info.chained)
            return entry.range.begin;
        entry = *info.chained;
    }
    return fail(Code::pe_bad_directory, fmt::format("a chain of more than {} unwind entries", kMaxChain));
}

/// Fragments do not say which function they belong to, but those that only continue a long one lie behind it.
std::vector<UnwindPart> parts_of_arm64(const pe::Image& image, std::span<const pe::RuntimeFunction> entries,
                                       std::vector<Conflict>& conflicts) {
    std::vector<UnwindPart> parts;
    parts.reserve(entries.size());
    for (const auto& entry : entries) {
        const auto info = pe::unwind_info_arm64_of(image, entry);
        if (!info)
            conflicts.push_back({entry.range.begin, "its unwind data cannot be read: " + info.error().detail(), {}});
        if (info && info->fragment && !parts.empty() && parts.back().range.end() == entry.range.begin.value)
            parts.back().range.size += entry.range.size;
        else
            parts.push_back({entry.range, entry.range.begin});
    }
    return parts;
}

/// Where the data of an entry's language-specific handler begins, if it has one.
std::optional<Rva> handler_data_of(const pe::Image& image, const pe::RuntimeFunction& entry) {
    if (image.machine() == Machine::arm64) {
        const auto info = pe::unwind_info_arm64_of(image, entry);
        return info && info->handler ? std::optional(info->handler_data) : std::nullopt;
    }
    const auto info = pe::unwind_info_at(image, entry.unwind_info);
    return info && info->handler ? std::optional(info->handler_data) : std::nullopt;
}

} // namespace

std::vector<UnwindPart> unwind_parts_of(const pe::Image& image, std::span<const pe::RuntimeFunction> entries,
                                        std::vector<Conflict>& conflicts) {
    if (image.machine() == Machine::arm64)
        return parts_of_arm64(image, entries, conflicts);
    std::vector<UnwindPart> parts;
    parts.reserve(entries.size());
    for (const auto& entry : entries) {
        const auto root = root_of(image, entry);
        if (!root)
            conflicts.push_back({entry.range.begin, "its unwind data cannot be read: " + root.error().detail(), {}});
        const Rva begin = root.value_or(entry.range.begin);
        if (begin != entry.range.begin && !parts.empty() && parts.back().root == begin &&
            parts.back().range.end() == entry.range.begin.value) {
            parts.back().range.size += entry.range.size;
            continue;
        }
        parts.push_back({entry.range, begin});
    }
    return parts;
}

std::vector<Rva> unwind_targets_of(const pe::Image& image, std::span<const pe::RuntimeFunction> entries) {
    struct Scope {
        Rva begin, end, handler, target;
    };
    std::vector<Rva> targets;
    for (const auto& entry : entries) {
        const auto data = handler_data_of(image, entry);
        if (!data)
            continue;
        const auto count = image.read<std::uint32_t>(*data);
        if (!count || *count == 0 || *count > kMaxScopes)
            continue;
        std::vector<Rva> found;
        for (std::uint32_t i = 0; i < *count; ++i) {
            const auto scope = image.read<Scope>(*data + 4 + i * std::uint32_t{sizeof(Scope)});
            // Scopes lie in the function, its separated parts included, so in code.
            const auto* section = scope ? image.section_at(scope->begin) : nullptr;
            if (!section || !section->executable() || scope->end < scope->begin ||
                scope->end.value > section->range.end()) {
                found.clear();
                break;
            }
            found.insert(found.end(), {scope->begin, scope->end, scope->handler, scope->target});
        }
        targets.insert(targets.end(), found.begin(), found.end());
    }
    return targets;
}

} // namespace suture::program
