#include "engine/isa/arm64/immediates.hpp"
#include "engine/package/limits.hpp"
#include "engine/package/rules.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::package {

namespace {

struct KnownSection {
    std::string_view name;
    std::uint32_t characteristics;
};

// IMAGE_SCN_CNT_CODE 0x20, CNT_INITIALIZED_DATA 0x40, MEM_DISCARDABLE 0x02000000, MEM_EXECUTE 0x20000000,
// MEM_READ 0x40000000, MEM_WRITE 0x80000000; in the order of the sections in the file.
constexpr KnownSection kKnownSections[] = {
    {".text", 0x60000020},  {".rdata", 0x40000040}, {".data", 0xc0000040},
    {".pdata", 0x40000040}, {".reloc", 0x42000040}, {".hotp", 0x40000040},
};
constexpr std::span<const KnownSection> kCallersSections = std::span(kKnownSections).first(3);

std::unexpected<Error> malformed(Rva at, std::string detail) {
    return fail(Error(Code::package_malformed, std::move(detail)).at(at));
}

const SectionContent* section_at(const Contents& contents, Rva rva) {
    const auto it = std::ranges::find_if(contents.sections, [&](const SectionContent& section) {
        return RvaRange{section.rva, section.virtual_size}.contains(rva);
    });
    return it != contents.sections.end() ? &*it : nullptr;
}

/// The bytes of `range`, where all of it is initialised.
std::optional<ByteView> initialised(const Contents& contents, RvaRange range) {
    const SectionContent* section = section_at(contents, range.begin);
    return section ? ByteView(section->bytes).slice(range.begin - section->rva, range.size) : std::nullopt;
}

Result<void> check_sections(const Contents& contents) {
    std::uint64_t next = kFirstSection.value;
    auto known = kCallersSections.begin();
    for (const SectionContent& section : contents.sections) {
        known = std::find_if(known, kCallersSections.end(), [&](const auto& k) { return k.name == section.name; });
        if (known == kCallersSections.end())
            return malformed(section.rva, "a section of a name or in an order that packages have not");
        ++known;
        if (section.rva.value != next)
            return malformed(section.rva, fmt::format("a section that should begin at 0x{:x}", next));
        if (section.virtual_size == 0 || section.bytes.size() > section.virtual_size)
            return malformed(section.rva, "a section that is empty or smaller than its content");
        next += (std::uint64_t{section.virtual_size} + kPageSize - 1) / kPageSize * kPageSize;
        if (next > kMaxImageSize)
            return malformed(section.rva, fmt::format("an image of more than 0x{:x} bytes", kMaxImageSize));
    }
    return {};
}

Result<void> check_replacements(const Contents& contents) {
    for (const Replacement& function : contents.manifest.functions) {
        const SectionContent* section = section_at(contents, function.patch);
        if (!section || section->name != ".text" || function.patch_size == 0 ||
            !initialised(contents, {function.patch, function.patch_size}))
            return malformed(function.patch, "a replacement lies outside the package's code");
    }
    for (const Global& global : contents.manifest.globals) {
        const SectionContent* section = section_at(contents, global.at);
        if (!section || section->name != ".data" ||
            !RvaRange{section->rva, section->virtual_size}.contains(RvaRange{global.at, global.size}))
            return malformed(global.at, "a global lies outside the package's writable data");
    }
    return {};
}

Result<void> check_call_targets(const Contents& contents) {
    for (const Rva target : contents.manifest.call_targets) {
        const SectionContent* section = section_at(contents, target);
        if (!section || section->name != ".text" || !initialised(contents, {target, 1}) ||
            target.value % kCallTargetAlignment != 0)
            return malformed(target, "a call target lies outside the package's code, or is not aligned");
    }
    return {};
}

/// A fixup of an instruction needs that very instruction.
Result<void> check_instruction(const Contents& contents, const Fixup& fixup) {
    if (fixup.kind != FixupKind::arm64_page21 && fixup.kind != FixupKind::arm64_branch26)
        return {};
    const auto wanted = fixup.kind == FixupKind::arm64_page21 ? isa::arm64::Form::adrp21 : isa::arm64::Form::branch26;
    const SectionContent* section = section_at(contents, fixup.source);
    const auto field = initialised(contents, {fixup.source, size_of(fixup.kind)});
    if (!field || section->name != ".text" || fixup.source.value % isa::arm64::kInstructionSize != 0 ||
        isa::arm64::form_of(*field->read<std::uint32_t>(0)) != wanted)
        return malformed(fixup.source, fmt::format("no instruction for a fixup of kind {}", name_of(fixup.kind)));
    return {};
}

/// Fields that are written when the image is placed: initialised, and no byte is in two of them.
Result<void> check_fields(const Contents& contents) {
    if (contents.relocations.size() > kMaxRelocations)
        return malformed(
            {}, fmt::format("{} relocations, at most {} are taken", contents.relocations.size(), kMaxRelocations));
    std::vector<RvaRange> fields;
    for (const Fixup& fixup : contents.manifest.fixups) {
        fields.push_back({fixup.source, size_of(fixup.kind)});
        SUTURE_CHECK(check_instruction(contents, fixup));
        if (fixup.kind == FixupKind::image_relative32 && !section_at(contents, fixup.target))
            return malformed(fixup.source, fmt::format("a fixup refers to 0x{:x}, outside the package's sections",
                                                       fixup.target.value));
    }
    for (const Rva at : contents.relocations) {
        fields.push_back({at, 8});
        const auto field = initialised(contents, fields.back());
        if (field && *field->read<std::uint64_t>(0) - kPreferredBase.value >= kMaxImageSize)
            return malformed(at, "a relocated field does not point into the package image");
    }
    if (contents.imports) {
        const ImportTable& table = *contents.imports;
        if (table.slots.empty())
            return malformed(table.directory.begin, "an import table without imports");
        fields.push_back({table.directory.begin, static_cast<std::uint32_t>(table.bytes.size())});
        const auto bytes = initialised(contents, fields.back());
        const SectionContent* section = section_at(contents, table.directory.begin);
        if (!bytes || *bytes != ByteView(table.bytes) || section->name != ".rdata" ||
            table.directory.begin.value % 8 != 0)
            return malformed(table.directory.begin, "the import table is not what .rdata holds");
    }
    for (const RvaRange field : fields) {
        if (!initialised(contents, field))
            return malformed(field.begin, "a field to be filled in lies outside the initialised bytes");
    }
    std::ranges::sort(fields);
    const auto overlap = std::ranges::adjacent_find(fields, [](RvaRange a, RvaRange b) { return a.overlaps(b); });
    if (overlap != fields.end())
        return malformed(overlap->begin, "two fields to be filled in overlap");
    return {};
}

Result<void> check_entry(const Contents& contents, const pe::RuntimeFunction& function) {
    if (function.unwind_info.value % 4 != 0 || !initialised(contents, {function.unwind_info, sizeof(std::uint32_t)}))
        return malformed(function.unwind_info, "unwind data lies outside the initialised bytes");
    if (function.packed != 0 && contents.manifest.machine != Machine::arm64)
        return malformed(function.range.begin, "packed unwind data for another machine");
    return {};
}

/// An entry of Arm64 does not say its size itself: its second word, or what that points to, must say the same.
Result<void> check_entry_arm64(const Contents& contents, const pe::RuntimeFunction& function) {
    std::uint32_t instructions = 0;
    if (function.packed != 0) {
        if (function.unwind_info != Rva{} || (function.packed & 3) == 0 || (function.packed & 3) == 3)
            return malformed(function.range.begin, "a packed entry with unwind data elsewhere, or of an unknown kind");
        instructions = function.packed >> 2 & 0x7ff;
    } else {
        SUTURE_CHECK(check_entry(contents, function));
        instructions = *initialised(contents, {function.unwind_info, 4})->read<std::uint32_t>(0) & 0x3ffff;
    }
    if (function.range.begin.value % isa::arm64::kInstructionSize != 0 ||
        function.range.size != instructions * isa::arm64::kInstructionSize)
        return malformed(function.range.begin, "the unwind data is for a function of another size");
    return {};
}

Result<void> check_runtime_functions(const Contents& contents) {
    if (contents.runtime_functions.size() > kMaxRuntimeFunctions)
        return malformed({}, fmt::format("{} runtime functions, at most {} are taken",
                                         contents.runtime_functions.size(), kMaxRuntimeFunctions));
    std::vector<RvaRange> ranges;
    for (const pe::RuntimeFunction& function : contents.runtime_functions) {
        const SectionContent* section = section_at(contents, function.range.begin);
        if (!section || section->name != ".text" || function.range.size == 0 || !initialised(contents, function.range))
            return malformed(function.range.begin, "a runtime function lies outside the package's code");
        SUTURE_CHECK(contents.manifest.machine == Machine::arm64 ? check_entry_arm64(contents, function)
                                                                 : check_entry(contents, function));
        ranges.push_back(function.range);
    }
    std::ranges::sort(ranges);
    const auto overlap = std::ranges::adjacent_find(ranges, [](RvaRange a, RvaRange b) { return a.overlaps(b); });
    if (overlap != ranges.end())
        return malformed(overlap->begin, "two runtime functions overlap");
    return {};
}

} // namespace

std::optional<std::uint32_t> characteristics_of(std::string_view section) {
    const auto* known = std::ranges::find(kKnownSections, section, &KnownSection::name);
    return known != std::end(kKnownSections) ? std::optional(known->characteristics) : std::nullopt;
}

Result<void> check_contents(const Contents& contents) {
    SUTURE_CHECK(check_sections(contents));
    SUTURE_CHECK(check_replacements(contents));
    SUTURE_CHECK(check_call_targets(contents));
    SUTURE_CHECK(check_fields(contents));
    return check_runtime_functions(contents);
}

} // namespace suture::package
