#include "patchgen/cli/disassembly/names.hpp"

#include "patchgen/cli/plain_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace suture::cli {

namespace {

using program::Function;

/// Longest string that is looked at, in bytes.
constexpr std::size_t kMaxString = 1024;
/// Longest part of it that is shown, in bytes.
constexpr std::size_t kMaxShown = 72;

bool is_text(std::string_view text) {
    return text.size() >= 2 && std::ranges::all_of(text, [](unsigned char byte) {
               return byte >= 0x20 ? byte != 0x7f : byte == '\n' || byte == '\t' || byte == '\r';
           });
}

std::string quoted(std::string_view text, std::string_view prefix) {
    std::string result(prefix);
    result += '"';
    std::size_t shown = std::min(text.size(), kMaxShown);
    while (shown < text.size() && shown > 0 && (static_cast<unsigned char>(text[shown]) & 0xc0) == 0x80)
        --shown;
    for (const char byte : text.substr(0, shown))
        switch (byte) {
        case '\n':
            result += "\\n";
            break;
        case '\r':
            result += "\\r";
            break;
        case '\t':
            result += "\\t";
            break;
        case '"':
        case '\\':
            result += '\\';
            [[fallthrough]];
        default:
            result += byte;
        }
    return result + (shown < text.size() ? "…\"" : "\"");
}

/// UTF-16 of ASCII characters, which is what wide strings mostly are.
std::optional<std::string> wide_string(ByteView bytes) {
    std::string text;
    for (std::size_t i = 0; i + 1 < bytes.size() && text.size() < kMaxString; i += 2) {
        if (bytes[i + 1] != 0)
            return std::nullopt;
        if (bytes[i] == 0)
            return is_text(text) ? std::optional(text) : std::nullopt;
        text += static_cast<char>(bytes[i]);
    }
    return std::nullopt;
}

/// What changed functions refer to, and the entries of the functions that lies in; nothing where one of them may refer
/// to anything.
std::optional<std::unordered_set<Rva>> targets_of_changes(const program::Program& updated,
                                                          const diff::ChangeSet& changes) {
    std::unordered_set<Rva> targets;
    const auto add = [&](const Function& function) {
        for (const program::Reference& reference : function.references) {
            targets.insert(reference.target);
            if (const Function* other = updated.function_at(reference.target))
                targets.insert(other->range.begin);
        }
        return function.decoded;
    };
    for (const diff::EmittedFunction& function : changes.functions)
        if (!add(*function.updated))
            return std::nullopt;
    for (const diff::Change& change : changes.changes)
        if (const Function* function = change.updated_rva ? updated.function_at(*change.updated_rva) : nullptr)
            if (!add(*function))
                return std::nullopt;
    return targets;
}

std::string with_offset(std::string name, std::uint32_t offset) {
    return offset == 0 ? name : fmt::format("{}+0x{:x}", name, offset);
}

} // namespace

Counterparts::Counterparts(const program::Program& baseline, const program::Program& updated,
                           const diff::ChangeSet& changes, Scope scope) {
    const auto shown = scope == Scope::changes ? targets_of_changes(updated, changes) : std::nullopt;
    const auto is_shown = [&](Rva at) { return !shown || shown->contains(at); };
    for (const auto& [old_entry, new_entry] : changes.matches)
        if (is_shown(new_entry))
            functions_.try_emplace(new_entry, old_entry);
    for (const diff::EmittedFunction& function : changes.functions)
        for (std::size_t i = 0; i < function.destinations.size() && i < function.updated->references.size(); ++i) {
            const Rva target = function.updated->references[i].target;
            if (function.updated->references[i].kind == program::ReferenceKind::arm64_page21)
                continue;
            if (const auto* old = std::get_if<diff::ToBaseline>(&function.destinations[i]))
                data_.try_emplace(target, old->rva);
            else if (std::holds_alternative<diff::ToData>(function.destinations[i]))
                emitted_.try_emplace(target, true);
        }
    std::unordered_set<Rva> changed;
    for (const diff::Change& change : changes.changes)
        if (change.updated_rva)
            changed.insert(*change.updated_rva);
    for (const auto& [old_entry, new_entry] : changes.matches) {
        if (changed.contains(new_entry))
            continue;
        const Function* old_one = baseline.function_at(old_entry);
        const Function* new_one = updated.function_at(new_entry);
        if (!old_one || !new_one || old_one->references.size() != new_one->references.size())
            continue;
        for (std::size_t i = 0; i < old_one->references.size(); ++i)
            // A page means nothing without what goes on from it.
            if (is_shown(new_one->references[i].target) &&
                old_one->references[i].offset == new_one->references[i].offset &&
                new_one->references[i].kind != program::ReferenceKind::arm64_page21)
                data_.try_emplace(new_one->references[i].target, old_one->references[i].target);
    }
}

std::optional<Rva> Counterparts::of_function(Rva updated_entry) const {
    const auto found = functions_.find(updated_entry);
    return found == functions_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Rva> Counterparts::of_data(Rva updated) const {
    const auto found = data_.find(updated);
    return found == data_.end() ? std::nullopt : std::optional(found->second);
}

std::string name_of(const pe::ImportSlot& slot) {
    return slot.name.empty() ? fmt::format("{}!#{}", slot.dll, slot.ordinal)
                             : fmt::format("{}!{}", slot.dll, slot.name);
}

std::string Names::of(Rva rva, std::uint32_t read_size) const {
    if (const Function* function = program_.function_at(rva))
        return with_offset(function->display_name(), rva - function->range.begin);
    if (const pe::ImportSlot* slot = program_.import_at(rva))
        return name_of(*slot);
    const program::DataObject* object = program_.data_at(rva);
    // MSVC's names of strings, "??_C@…", say less than the string.
    const bool named = object && !object->names.empty() && !object->names.front().starts_with("??_C@");
    if (named)
        return with_offset(object->names.front(), rva - object->range.begin);
    if (const auto text = read_size == 0 || read_size > 8 ? string_at(rva) : std::nullopt)
        return *text;
    return object ? fmt::format("data_{:x}", rva.value) : fmt::format("+0x{:x}", rva.value);
}

bool Names::is_constant(Rva rva) const {
    const pe::Section* section = program_.image().section_at(rva);
    return section && !section->writable() && !program_.function_at(rva) && !program_.import_at(rva);
}

std::optional<std::string> Names::string_at(Rva rva) const {
    if (!is_constant(rva))
        return std::nullopt;
    if (const auto text = program_.image().string_at(rva, kMaxString); text && is_text(*text))
        return quoted(*text, "");
    const auto bytes = program_.image().bytes_from(rva);
    const auto wide = bytes ? wide_string(*bytes) : std::nullopt;
    return wide ? std::optional(quoted(*wide, "L")) : std::nullopt;
}

std::optional<std::string> Names::constant_at(Rva rva, std::uint32_t size) const {
    // A pointer differs from build to build.
    if (size == 0 || size > 16 || !is_constant(rva) || program_.relocated(rva))
        return std::nullopt;
    const auto bytes = program_.image().bytes_at(rva, size);
    if (!bytes)
        return std::nullopt;
    std::string digits;
    for (std::uint32_t i = size; i-- > 0;)
        digits += fmt::format("{:02x}", (*bytes)[i]);
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    return "= 0x" + digits;
}

std::string Names::note(Rva rva, std::uint32_t read_size) const {
    const program::DataObject* object = program_.data_at(rva);
    const bool named = object && !object->names.empty();
    if (read_size != 0)
        return named ? "" : constant_at(rva, read_size).value_or("");
    return named ? string_at(rva).value_or("") : "";
}

std::string Names::key(Rva rva, std::uint32_t read_size) const {
    const auto shown = [&](Rva at) { return fmt::format("@{:x}", at.value); };
    if (const Function* function = program_.function_at(rva)) {
        const Rva entry = function->range.begin;
        const auto other = counterparts_ ? counterparts_->of_function(entry) : std::optional(entry);
        return with_offset(other ? shown(*other) : function->display_name(), rva - entry);
    }
    if (const pe::ImportSlot* slot = program_.import_at(rva))
        return name_of(*slot);
    if (read_size == 0)
        if (auto text = string_at(rva))
            return *text;
    const std::string value = constant_at(rva, read_size).value_or("");
    if (counterparts_ && counterparts_->is_emitted(rva))
        return "new " + of(rva);
    const auto other = counterparts_ ? counterparts_->of_data(rva) : std::optional(rva);
    return (other ? shown(*other) : "unmapped " + of(rva)) + value;
}

} // namespace suture::cli
