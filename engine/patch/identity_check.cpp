#include "engine/patch/identity_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::patch {

namespace {

struct Context {
    target::Target& target;
    const package::Manifest& manifest;
    const Snapshot& snapshot;
    std::vector<pe::Overlay> overlays;

    const isa::Isa& isa() const { return *isa::isa_for(manifest.machine); }
    Va address(Rva rva) const { return snapshot.module().range.begin + rva.value; }
    Error error(Code code, std::string detail) const {
        return Error(code, std::move(detail)).in_image(snapshot.module().name);
    }
};

std::string hex(ByteView bytes) {
    return fmt::format("{:02x}", fmt::join(bytes, " "));
}

Result<void> check_headers(const Context& context) {
    SUTURE_TRY(const pe::HeaderIdentity found, pe::header_identity_of(context.snapshot.image()));
    const pe::HeaderIdentity& expected = context.manifest.baseline;
    std::vector<std::string> differences;
    const auto compare = [&](std::string_view what, auto is, auto should) {
        if (is != should)
            differences.push_back(fmt::format("{} is 0x{:x}, the baseline's 0x{:x}", what, is, should));
    };
    compare("Machine", static_cast<unsigned>(found.machine), static_cast<unsigned>(expected.machine));
    compare("TimeDateStamp", found.time_date_stamp, expected.time_date_stamp);
    compare("CheckSum", found.checksum, expected.checksum);
    compare("SizeOfImage", found.size_of_image, expected.size_of_image);
    if (found.has_pdb != expected.has_pdb)
        differences.push_back(found.has_pdb ? "it has a PDB identity, the baseline has none"
                                            : "it has no PDB identity, the baseline has one");
    else if (found.pdb_guid != expected.pdb_guid || found.pdb_age != expected.pdb_age)
        differences.push_back(fmt::format("PDB identity is {:02x}/{}, the baseline's {:02x}/{}",
                                          fmt::join(found.pdb_guid, ""), found.pdb_age,
                                          fmt::join(expected.pdb_guid, ""), expected.pdb_age));
    if (!differences.empty())
        return fail(context.error(Code::identity_header_differs, fmt::format("{}", fmt::join(differences, "; "))));
    return {};
}

/// Bytes of the module with the known sites put back.
std::optional<Bytes> restored_bytes(const Context& context, Rva at, std::uint32_t size) {
    const auto view = context.snapshot.image().bytes_at(at, size);
    if (!view)
        return std::nullopt;
    Bytes bytes = view->copy();
    for (const pe::Overlay& overlay : context.overlays)
        for (std::size_t i = 0; i < overlay.bytes.size(); ++i) {
            const std::uint64_t rva = std::uint64_t{overlay.at.value} + i;
            if (rva >= at.value && rva - at.value < size)
                bytes[static_cast<std::size_t>(rva - at.value)] = overlay.bytes[i];
        }
    return bytes;
}

/// Where a jump found in place of baseline code leads, or nothing if what is there is no jump.
std::optional<std::string> foreign_jump(const Context& context, Rva at) {
    const auto code = context.snapshot.image().bytes_from(at);
    if (!code)
        return std::nullopt;
    const auto jump = context.isa().jump_at(*code, context.address(at));
    if (!jump)
        return std::nullopt;
    Va to = jump->to;
    if (jump->indirect) {
        std::uint64_t pointer = 0;
        if (!context.target.read(to, {reinterpret_cast<std::uint8_t*>(&pointer), sizeof(pointer)}))
            return fmt::format("through an unreadable pointer at 0x{:x}", to.value);
        to = Va{pointer};
    }
    const auto modules = context.target.modules();
    if (!modules)
        return fmt::format("0x{:x}", to.value);
    return describe_address(*modules, to);
}

Error difference(const Context& context, Code code, Rva at, Rva function, std::string detail) {
    // A detour starts at the function's entry as a rule, or at the byte that differs.
    for (const Rva candidate : {function, at})
        if (const auto leads_to = foreign_jump(context, candidate))
            if (const auto own = context.snapshot.module().name; !leads_to->starts_with(own + "+"))
                return context
                    .error(Code::foreign_detour,
                           fmt::format("a jump at RVA 0x{:x} leads to {}; {}", candidate.value, *leads_to, detail))
                    .at(at);
    return context.error(code, std::move(detail)).at(at);
}

std::optional<std::size_t> first_difference(ByteView found, ByteView expected) {
    const auto [a, b] = std::ranges::mismatch(found, expected);
    if (a == found.end())
        return std::nullopt;
    return static_cast<std::size_t>(a - found.begin());
}

Result<void> check_site_bytes(const Context& context, const package::Replacement& function, Rva at, ByteView expected) {
    const auto found = restored_bytes(context, at, static_cast<std::uint32_t>(expected.size()));
    if (!found)
        return fail(context.error(Code::identity_function_differs, "its site lies outside the module")
                        .at(at)
                        .in_function(function.name));
    if (const auto index = first_difference(*found, expected)) {
        const std::string detail =
            fmt::format("found {}, expected {} at RVA 0x{:x}", hex(*found), hex(expected), at.value);
        return fail(difference(context, Code::identity_function_differs, at + static_cast<std::uint32_t>(*index),
                               function.baseline, detail)
                        .in_function(function.name));
    }
    return {};
}

/// The module's file, if it can be read and is the baseline to the byte of every section digest.
std::optional<Bytes> baseline_file(const Context& context) {
    auto file = context.target.module_file(context.snapshot.module());
    if (!file)
        return std::nullopt;
    const auto image = pe::Image::parse(*file, pe::Layout::file);
    if (!image)
        return std::nullopt;
    const auto masked = pe::masked_fields_of(*image);
    if (!masked)
        return std::nullopt;
    const auto sections = pe::section_identities_of(*image, *masked);
    if (!sections || *sections != context.manifest.sections)
        return std::nullopt;
    return std::move(*file);
}

/// Entry of the function that holds `rva` by the module's exception directory, or `rva` itself.
Rva function_start(const Snapshot& snapshot, Rva rva) {
    const auto functions = pe::runtime_functions_of(snapshot.image());
    if (!functions)
        return rva;
    const pe::RuntimeFunction* function = pe::runtime_function_at(*functions, rva);
    return function ? function->range.begin : rva;
}

Error section_difference(const Context& context, RvaRange range) {
    const std::string general =
        fmt::format("executable section at RVA 0x{:x}, {} bytes", range.begin.value, range.size);
    const auto file = baseline_file(context);
    if (!file)
        return context.error(Code::identity_section_differs,
                             general + "; which byte it is cannot be said, since the module's file is not available or "
                                       "is not the baseline itself");
    const pe::Image image = *pe::Image::parse(*file, pe::Layout::file);
    const auto expected = image.content(range);
    const auto found = restored_bytes(context, range.begin, range.size);
    if (!expected || !found)
        return context.error(Code::identity_section_differs, general);
    std::size_t next_mask = 0;
    const std::span<const RvaRange> masked = context.snapshot.masked();
    for (std::uint32_t i = 0; i < range.size; ++i) {
        const Rva rva = range.begin + i;
        while (next_mask < masked.size() && masked[next_mask].end() <= rva.value)
            ++next_mask;
        if ((*expected)[i] == (*found)[i] || (next_mask < masked.size() && masked[next_mask].contains(rva)))
            continue;
        const Rva start = function_start(context.snapshot, rva);
        return difference(context, Code::identity_section_differs, rva, start,
                          fmt::format("the byte at RVA 0x{:x} is {:02x}, the baseline has {:02x}, in the function at "
                                      "RVA 0x{:x}, which the package does not replace",
                                      rva.value, (*found)[i], (*expected)[i], start.value));
    }
    return context.error(Code::identity_section_differs, general);
}

/// Proves the site from the bytes found around it, as many as the proof wants and the section has.
Result<void> prove_site(const Context& context, const package::Replacement& function) {
    const isa::Site& site = function.site;
    const pe::Section* const section = context.snapshot.image().section_at(site.entry);
    if (!section || (site.uses_pad() && !section->range.contains(site.pad_range())))
        return fail(context.error(Code::site_unproved, "it lies outside the sections").in_function(function.name));
    const auto ahead = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(isa::Isa::kEntryContext, section->range.end() - site.entry.value));
    const auto entry = restored_bytes(context, site.entry, ahead);
    std::optional<Bytes> pad(std::in_place);
    if (site.uses_pad()) {
        const std::uint32_t behind = std::min(isa::Isa::kPadContext, site.pad - section->range.begin);
        pad = restored_bytes(context, site.pad - behind, behind + site.pad_size);
    }
    if (!entry || !pad)
        return fail(context.error(Code::site_unproved, "its bytes are not there").in_function(function.name));
    if (auto proved = context.isa().prove_site(site, *entry, *pad); !proved)
        return fail(std::move(proved).error().in_image(context.snapshot.module().name).in_function(function.name));
    return {};
}

Result<void> check_functions(const Context& context) {
    for (const package::Replacement& function : context.manifest.functions) {
        SUTURE_CHECK(check_site_bytes(context, function, function.baseline, function.entry_bytes));
        SUTURE_CHECK(check_site_bytes(context, function, function.site.pad, function.pad_bytes));
        const RvaRange range{function.baseline, function.baseline_size};
        SUTURE_TRY(const Digest digest,
                   pe::masked_digest(context.snapshot.image(), range, context.snapshot.masked(), context.overlays));
        if (digest != function.baseline_digest)
            return fail(difference(context, Code::identity_function_differs, function.baseline, function.baseline,
                                   fmt::format("its {} bytes hash to {}, expected {}", range.size, digest.hex(),
                                               function.baseline_digest.hex()))
                            .in_function(function.name));
        SUTURE_CHECK(prove_site(context, function));
    }
    return {};
}

Result<void> check_sections(const Context& context) {
    SUTURE_TRY(const auto found,
               pe::section_identities_of(context.snapshot.image(), context.snapshot.masked(), context.overlays));
    const auto& expected = context.manifest.sections;
    for (std::size_t i = 0; i < std::max(found.size(), expected.size()); ++i) {
        if (i >= found.size() || i >= expected.size() || found[i].range != expected[i].range)
            return fail(context.error(Code::identity_section_differs, "its executable sections lie elsewhere"));
        if (found[i].digest != expected[i].digest)
            return fail(section_difference(context, expected[i].range));
    }
    return {};
}

} // namespace

std::vector<pe::Overlay> restored_sites(const Ledger& ledger) {
    std::vector<pe::Overlay> overlays;
    for (const LedgerFunction& function : ledger.functions) {
        Bytes entry = function.entry_bytes;
        entry.resize(std::min<std::size_t>(entry.size(), function.site.entry_size));
        overlays.push_back({function.site.entry, std::move(entry)});
        if (function.site.uses_pad())
            overlays.push_back({function.site.pad, function.pad_bytes});
    }
    return overlays;
}

std::string describe_address(std::span<const target::Module> modules, Va address) {
    for (const target::Module& module : modules)
        if (module.range.contains(address))
            return fmt::format("{}+0x{:x}", module.name, address - module.range.begin);
    return fmt::format("no module (0x{:x})", address.value);
}

Result<void> check_identity(target::Target& target, const package::Manifest& manifest, const Snapshot& snapshot,
                            const Ledger* ledger) {
    const Context context{target, manifest, snapshot, ledger ? restored_sites(*ledger) : std::vector<pe::Overlay>{}};
    SUTURE_CHECK(check_headers(context));
    SUTURE_CHECK(check_functions(context));
    return check_sections(context);
}

} // namespace suture::patch
