#include "patchgen/cli/disassembly/package_code.hpp"

#include "patchgen/cli/plain_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::cli {

namespace {

// Where package and baseline are taken to lie: within reach of each other and apart, so that an address tells which
// of them it is in.
constexpr std::uint64_t kPackage = 0x1'0000'0000;
constexpr std::uint64_t kBaseline = 0x1'4000'0000;

/// Puts the distance that an adrp, b or bl of the package has from its target into the instruction.
std::uint32_t arm64_word(std::uint32_t word, package::FixupKind kind, std::uint64_t at, std::uint64_t target) {
    if (kind == package::FixupKind::arm64_branch26)
        return (word & 0xfc00'0000) | (static_cast<std::uint32_t>((target - at) >> 2) & 0x03ff'ffff);
    const auto pages = static_cast<std::uint32_t>((target >> 12) - (at >> 12));
    return (word & 0x9f00'001f) | ((pages & 3) << 29) | (((pages >> 2) & 0x7'ffff) << 5);
}

/// Puts what the loader writes for `fixup` into a copy of the code around it.
void apply(const package::Fixup& fixup, std::uint8_t* field) {
    if (fixup.kind == package::FixupKind::image_relative32)
        return; // a distance that means nothing before both bases are known
    const std::uint64_t at = kPackage + fixup.source.value;
    const std::uint64_t target =
        kBaseline + fixup.target.value + static_cast<std::uint64_t>(std::int64_t{fixup.addend});
    if (fixup.kind == package::FixupKind::absolute64) {
        std::memcpy(field, &target, sizeof(target));
        return;
    }
    auto value = static_cast<std::uint32_t>(target - at);
    if (fixup.kind != package::FixupKind::rel32) {
        std::uint32_t word = 0;
        std::memcpy(&word, field, sizeof(word));
        value = arm64_word(word, fixup.kind, at, target);
    }
    std::memcpy(field, &value, sizeof(value));
}

/// The last in an ascending list that does not begin behind `rva`, or nullptr.
template <class List, class Begin>
auto last_up_to(const List& list, Rva rva, Begin begin) -> decltype(&list.front()) {
    const auto next = std::ranges::upper_bound(list, rva, {}, begin);
    return next == list.begin() ? nullptr : &*std::prev(next);
}

std::string with_offset(std::string name, Rva rva, Rva begin) {
    return rva == begin ? name : fmt::format("{}+0x{:x}", name, rva - begin);
}

} // namespace

Disassembler::Disassembler(const package::Package& package) : package_(package) {
    for (const package::Replacement& function : package.manifest().functions)
        replacements_.push_back(&function);
    std::ranges::stable_sort(replacements_, {}, &package::Replacement::patch);
    for (const pe::ImportSlot& slot : package.imports())
        imports_.push_back(&slot);
    std::ranges::stable_sort(imports_, {}, &pe::ImportSlot::slot);
}

std::vector<Line> Disassembler::package_code(RvaRange range) const {
    const auto content = package_.image().bytes_at(range.begin, range.size);
    if (!content)
        return {};
    Bytes bytes = content->copy();
    const auto& fixups = package_.manifest().fixups; // ascending by source
    for (auto next = std::ranges::lower_bound(fixups, range.begin, {}, &package::Fixup::source);
         next != fixups.end() && range.contains(next->source); ++next) {
        const package::Fixup& fixup = *next;
        const std::uint32_t size = fixup.kind == package::FixupKind::absolute64 ? 8 : 4;
        if (!range.contains(RvaRange{fixup.source, size}))
            continue;
        apply(fixup, bytes.data() + (fixup.source - range.begin));
    }
    auto lines = lines_of(bytes, range.begin, kPackage);
    // Shown as they are in the file; the text says where they lead.
    for (Line& line : lines)
        if (const auto original = content->slice(line.at - range.begin, line.bytes.size()))
            line.bytes = original->copy();
    return lines;
}

std::vector<Line> Disassembler::baseline_code(ByteView bytes, Rva at) const {
    return lines_of(bytes, at, kBaseline);
}

std::vector<Line> Disassembler::lines_of(ByteView bytes, Rva at, std::uint64_t base) const {
    return disassemble(
        package_.manifest().machine, bytes, at, base, [this](std::uint64_t address) -> std::optional<std::string> {
            const auto rva = [address](std::uint64_t from) { return Rva{static_cast<std::uint32_t>(address - from)}; };
            if (address - kPackage < kBaseline - kPackage)
                return package_name(rva(kPackage));
            if (address - kBaseline < 0x8000'0000)
                return baseline_name(rva(kBaseline));
            return std::nullopt;
        });
}

std::string Disassembler::package_name(Rva rva) const {
    const auto* replacement =
        last_up_to(replacements_, rva, [](const package::Replacement* function) { return function->patch; });
    if (replacement && RvaRange{(*replacement)->patch, (*replacement)->patch_size}.contains(rva)) {
        const package::Replacement& function = **replacement;
        return with_offset(function.name.empty() ? fmt::format("new sub_{:x}", function.baseline.value)
                                                 : "new " + plain_cut(function.name),
                           rva, function.patch);
    }
    const auto slot =
        std::ranges::lower_bound(imports_, rva, {}, [](const pe::ImportSlot* import) { return import->slot; });
    if (slot != imports_.end() && (*slot)->slot == rva)
        return (*slot)->name.empty() ? fmt::format("{}#{}", plain_cut((*slot)->dll), (*slot)->ordinal)
                                     : fmt::format("{}!{}", plain_cut((*slot)->dll), plain_cut((*slot)->name));
    const auto* global = last_up_to(package_.manifest().globals, rva, &package::Global::at);
    if (global && RvaRange{global->at, global->size}.contains(rva) && !global->name.empty())
        return with_offset(plain_cut(global->name), rva, global->at);
    return fmt::format("package+0x{:x}", rva.value);
}

std::string Disassembler::baseline_name(Rva rva) const {
    const auto* function = last_up_to(package_.manifest().functions, rva, &package::Replacement::baseline);
    if (function && !function->name.empty() && RvaRange{function->baseline, function->baseline_size}.contains(rva))
        return with_offset(plain_cut(function->name), rva, function->baseline);
    return fmt::format("{}+0x{:x}", plain(package_.manifest().module), rva.value);
}

std::string Disassembler::target_name(const package::Fixup& fixup) const {
    return fixup.kind == package::FixupKind::image_relative32 ? package_name(fixup.target)
                                                              : baseline_name(fixup.target);
}

} // namespace suture::cli
