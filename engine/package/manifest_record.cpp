#include "engine/package/manifest_record.hpp"

#include "engine/package/byte_writer.hpp"
#include "engine/package/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::package {

namespace {

constexpr std::uint8_t kLoopsToEntry = 1;
constexpr std::uint8_t kWide = 2;

std::unexpected<Error> malformed(std::string detail) {
    return fail(Code::package_malformed, std::move(detail));
}

Result<bool> take_flag(ByteCursor& in) {
    SUTURE_TRY(const auto value, in.take<std::uint8_t>());
    if (value > 1)
        return malformed(fmt::format("a flag holds {}", value));
    return value == 1;
}

Result<Digest> take_digest(ByteCursor& in) {
    SUTURE_TRY(const auto bytes, (in.take<std::array<std::uint8_t, 16>>()));
    return Digest{bytes};
}

std::uint8_t flags_of(const Replacement& function) {
    const bool wide = function.site.branch_size() == isa::Isa::kWideBranchSize;
    return static_cast<std::uint8_t>((function.loops_to_entry ? kLoopsToEntry : 0) | (wide ? kWide : 0));
}

void put_function(ByteWriter& out, const Replacement& function) {
    out.put_text(function.name);
    out.put(function.baseline_size);
    out.put(function.patch_size);
    out.put(function.baseline_digest.bytes);
    out.put(static_cast<std::uint8_t>(function.site.kind));
    out.put(flags_of(function));
    out.put(static_cast<std::uint8_t>(function.site.displaced));
    out.put_bytes(function.entry_bytes);
    if (function.site.uses_pad()) {
        out.put(function.site.pad.value);
        out.put_bytes(function.pad_bytes);
    }
}

Result<void> take_function(ByteCursor& in, Replacement& function) {
    SUTURE_TRY(function.name, in.take_text());
    SUTURE_TRY(function.baseline_size, in.take<std::uint32_t>());
    SUTURE_TRY(function.patch_size, in.take<std::uint32_t>());
    SUTURE_TRY(function.baseline_digest, take_digest(in));
    SUTURE_TRY(const auto kind_value, in.take<std::uint8_t>());
    const auto kind = isa::site_kind_from(kind_value);
    if (!kind)
        return malformed(fmt::format("unknown site kind {}", kind_value));
    SUTURE_TRY(const auto flags, in.take<std::uint8_t>());
    const bool wide = flags & kWide;
    if ((flags & ~(kLoopsToEntry | kWide)) != 0)
        return malformed(fmt::format("the flags of a function are {:#x}", flags));
    SUTURE_TRY(const auto displaced, in.take<std::uint8_t>());
    function.loops_to_entry = flags & kLoopsToEntry;
    function.site.kind = *kind;
    if (wide && *kind == isa::SiteKind::arm64_branch)
        return malformed(fmt::format("{} has no wide branch", name_of(*kind)));
    if (wide && function.site.uses_pad())
        function.site.pad_size = isa::Isa::kWideBranchSize;
    function.site.entry = function.baseline;
    function.site.entry_size = entry_size_of(*kind, wide);
    function.site.displaced = displaced;
    SUTURE_TRY(const ByteView entry, in.take_bytes(function.site.original_size()));
    function.entry_bytes = entry.copy();
    if (function.site.uses_pad()) {
        SUTURE_TRY(function.site.pad.value, in.take<std::uint32_t>());
        SUTURE_TRY(const ByteView pad, in.take_bytes(function.site.pad_size));
        function.pad_bytes = pad.copy();
    }
    return {};
}

Result<void> take_identity(ByteCursor& in, Manifest& manifest) {
    SUTURE_TRY(manifest.baseline.size_of_image, in.take<std::uint32_t>());
    SUTURE_TRY(manifest.baseline.has_pdb, take_flag(in));
    if (manifest.baseline.has_pdb) {
        SUTURE_TRY(manifest.baseline.pdb_guid, (in.take<std::array<std::uint8_t, 16>>()));
        SUTURE_TRY(manifest.baseline.pdb_age, in.take<std::uint32_t>());
    }
    SUTURE_TRY(const auto sections, in.take<std::uint16_t>());
    if (sections > kMaxSections)
        return malformed(fmt::format("{} sections of the baseline, at most {} are taken", sections, kMaxSections));
    for (std::size_t i = 0; i < sections; ++i) {
        pe::SectionIdentity section;
        SUTURE_TRY(section.range.begin.value, in.take<std::uint32_t>());
        SUTURE_TRY(section.range.size, in.take<std::uint32_t>());
        SUTURE_TRY(section.digest, take_digest(in));
        manifest.sections.push_back(section);
    }
    return {};
}

Result<void> take_retired(ByteCursor& in, Manifest& manifest) {
    SUTURE_TRY(const auto count, in.take<std::uint32_t>());
    if (count > kMaxFunctions)
        return malformed(fmt::format("{} retired ranges, at most {} are taken", count, kMaxFunctions));
    for (std::uint32_t i = 0; i < count; ++i) {
        RvaRange range;
        SUTURE_TRY(range.begin.value, in.take<std::uint32_t>());
        SUTURE_TRY(range.size, in.take<std::uint32_t>());
        manifest.retired.push_back(range);
    }
    return {};
}

Result<void> take_globals(ByteCursor& in, Manifest& manifest) {
    SUTURE_TRY(const auto count, in.take<std::uint32_t>());
    if (count > kMaxGlobals)
        return malformed(fmt::format("{} globals, at most {} are taken", count, kMaxGlobals));
    for (std::uint32_t i = 0; i < count; ++i) {
        Global global;
        SUTURE_TRY(global.name, in.take_text());
        SUTURE_TRY(global.at.value, in.take<std::uint32_t>());
        SUTURE_TRY(global.size, in.take<std::uint32_t>());
        manifest.globals.push_back(std::move(global));
    }
    return {};
}

} // namespace

std::uint32_t entry_size_of(isa::SiteKind kind, bool wide) {
    switch (kind) {
    case isa::SiteKind::x64_padded:
    case isa::SiteKind::x64_cave:
        return 2;
    case isa::SiteKind::x64_prologue:
    case isa::SiteKind::x64_tail:
        return wide ? isa::Isa::kWideBranchSize : isa::Isa::kBranchSize;
    case isa::SiteKind::arm64_branch:
        return 4;
    }
    return 0;
}

Bytes encode_manifest_record(const Manifest& manifest) {
    ByteWriter out;
    out.put_text(manifest.id);
    out.put_text(manifest.module);
    out.put(manifest.baseline.size_of_image);
    out.put(static_cast<std::uint8_t>(manifest.baseline.has_pdb ? 1 : 0));
    if (manifest.baseline.has_pdb) {
        out.put(manifest.baseline.pdb_guid);
        out.put(manifest.baseline.pdb_age);
    }
    out.put(static_cast<std::uint16_t>(manifest.sections.size()));
    for (const pe::SectionIdentity& section : manifest.sections) {
        out.put(section.range.begin.value);
        out.put(section.range.size);
        out.put(section.digest.bytes);
    }
    for (const Replacement& function : manifest.functions)
        put_function(out, function);
    out.put(static_cast<std::uint32_t>(manifest.retired.size()));
    for (const RvaRange& range : manifest.retired) {
        out.put(range.begin.value);
        out.put(range.size);
    }
    out.put(static_cast<std::uint32_t>(manifest.globals.size()));
    for (const Global& global : manifest.globals) {
        out.put_text(global.name);
        out.put(global.at.value);
        out.put(global.size);
    }
    return out.take();
}

Result<void> decode_manifest_record(ByteView bytes, Manifest& manifest) {
    ByteCursor in(bytes);
    SUTURE_TRY(manifest.id, in.take_text());
    SUTURE_TRY(manifest.module, in.take_text());
    SUTURE_CHECK(take_identity(in, manifest));
    for (Replacement& function : manifest.functions)
        SUTURE_CHECK(take_function(in, function));
    SUTURE_CHECK(take_retired(in, manifest));
    SUTURE_CHECK(take_globals(in, manifest));
    if (in.left() != 0)
        return malformed(fmt::format("{} bytes follow the manifest", in.left()));
    return {};
}

} // namespace suture::package
