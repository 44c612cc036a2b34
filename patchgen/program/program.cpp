#include "patchgen/program/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace suture::program {

std::uint32_t immediate_mask(ReferenceKind kind) {
    switch (kind) {
    case ReferenceKind::arm64_branch26:
        return 0x03ffffff;
    case ReferenceKind::arm64_branch19:
    case ReferenceKind::arm64_literal19:
        return 0x00ffffe0;
    case ReferenceKind::arm64_branch14:
        return 0x0007ffe0;
    case ReferenceKind::arm64_adr21:
    case ReferenceKind::arm64_page21:
        return 0x60ffffe0;
    case ReferenceKind::arm64_low12_add:
    case ReferenceKind::arm64_low12_load:
        return 0x003ffc00;
    case ReferenceKind::branch:
    case ReferenceKind::rip_relative:
    case ReferenceKind::absolute:
    case ReferenceKind::image_relative:
        break;
    }
    return 0xffffffff;
}

bool is_branch(ReferenceKind kind) {
    return kind == ReferenceKind::branch || kind == ReferenceKind::arm64_branch26 ||
           kind == ReferenceKind::arm64_branch19 || kind == ReferenceKind::arm64_branch14;
}

namespace {

/// Of a list that ascends, how many elements begin at or before `rva`.
template <class T>
std::size_t up_to(std::span<const T> list, Rva rva) {
    const auto next = std::upper_bound(list.begin(), list.end(), rva,
                                       [](Rva at, const T& element) { return at < element.range.begin; });
    return static_cast<std::size_t>(next - list.begin());
}

/// The last of the first `count` elements of a list that does not overlap, if its range holds `rva`.
template <class T>
const T* last_holding(std::span<const T> list, std::size_t count, Rva rva) {
    return count != 0 && list[count - 1].range.contains(rva) ? &list[count - 1] : nullptr;
}

} // namespace

std::string Function::display_name() const {
    return names.empty() ? fmt::format("sub_{:x}", range.begin.value) : names.front();
}

std::size_t Program::functions_up_to(Rva rva) const {
    return up_to(functions(), rva);
}

std::size_t Program::data_up_to(Rva rva) const {
    return up_to(data(), rva);
}

const Function* Program::function_at(Rva rva) const {
    return last_holding(functions(), functions_up_to(rva), rva);
}

const DataObject* Program::data_at(Rva rva) const {
    return last_holding(data(), data_up_to(rva), rva);
}

const pe::ImportSlot* Program::import_at(Rva slot) const {
    const auto list = imports();
    if (list.empty() || slot < list.front().slot || slot > list.back().slot)
        return nullptr;
    const auto at = std::lower_bound(list.begin(), list.end(), slot,
                                     [](const pe::ImportSlot& import, Rva rva) { return import.slot < rva; });
    return at != list.end() && at->slot == slot ? &*at : nullptr;
}

bool Program::relocated(Rva rva) const {
    const auto list = relocations();
    auto next = std::upper_bound(list.begin(), list.end(), rva,
                                 [](Rva at, const pe::Relocation& relocation) { return at < relocation.at; });
    if (next == list.begin())
        return false;
    --next;
    return rva - next->at < next->size;
}

std::optional<Rva> Program::pointer_at(Rva field) const {
    const auto list = relocations();
    const auto at = std::lower_bound(list.begin(), list.end(), field,
                                     [](const pe::Relocation& relocation, Rva rva) { return relocation.at < rva; });
    if (at == list.end() || at->at != field || at->size != 8)
        return std::nullopt;
    const auto value = image().read<std::uint64_t>(field);
    if (!value)
        return std::nullopt;
    const std::uint64_t rva = *value - image().image_base().value;
    if (rva > image().size_of_image())
        return std::nullopt;
    return Rva{static_cast<std::uint32_t>(rva)};
}

std::optional<Rva> Program::target_of(const AddressWord& word) const {
    const auto value = image().read<std::uint32_t>(word.at);
    const Rva target = word.base + value.value_or(0);
    return value && target.value < image().size_of_image() ? std::optional(target) : std::nullopt;
}

const DataObject* data_called(const Program& program, std::string_view name) {
    if (name.starts_with("+0x")) {
        std::uint32_t rva = 0;
        const auto [end, error] = std::from_chars(name.data() + 3, name.data() + name.size(), rva, 16);
        const DataObject* object = program.data_at(Rva{rva});
        const bool is_rva = error == std::errc{} && end == name.data() + name.size();
        return is_rva && object && object->range.begin == Rva{rva} ? object : nullptr;
    }
    const DataObject* found = nullptr;
    for (const DataObject& object : program.data())
        if (std::ranges::find(object.names, name) != object.names.end()) {
            if (found)
                return nullptr;
            found = &object;
        }
    return found;
}

} // namespace suture::program
