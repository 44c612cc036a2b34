#include "engine/isa/arm64/immediates.hpp"
#include "engine/package/limits.hpp"
#include "engine/package/manifest_record.hpp"
#include "engine/package/plain_text.hpp"
#include "engine/package/rules.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::package {

namespace {

std::unexpected<Error> malformed(std::string detail) {
    return fail(Code::package_malformed, std::move(detail));
}

Result<void> check_text(std::string_view what, std::string_view text, std::size_t limit) {
    if (text.size() > limit)
        return malformed(fmt::format("{} of {} bytes, at most {} are taken", what, text.size(), limit));
    if (!is_plain_text(text))
        return malformed(fmt::format("{} is not UTF-8 without control characters", what));
    return {};
}

bool in_one_section(const Manifest& manifest, RvaRange range) {
    const auto after = std::ranges::upper_bound(manifest.sections, range.begin, {},
                                                [](const pe::SectionIdentity& s) { return s.range.begin; });
    return after != manifest.sections.begin() && std::prev(after)->range.contains(range);
}

Result<void> check_identity(const Manifest& manifest) {
    const pe::HeaderIdentity& baseline = manifest.baseline;
    SUTURE_CHECK(check_text("the id", manifest.id, kMaxId));
    SUTURE_CHECK(check_text("the module name", manifest.module, kMaxModule));
    if (manifest.module.empty() || manifest.module.find_first_of("/\\:") != std::string::npos)
        return malformed("the module is not named by a file name");
    if (baseline.machine != manifest.machine)
        return malformed("package and baseline are for different machines");
    if (!baseline.has_pdb && (baseline.pdb_age != 0 || baseline.pdb_guid != decltype(baseline.pdb_guid){}))
        return malformed("a PDB is identified that the baseline has not");
    if (manifest.min_sequence >= manifest.sequence)
        return malformed(
            fmt::format("sequence {} replaces nothing from {} on", manifest.sequence, manifest.min_sequence));
    if (manifest.sections.size() > kMaxSections)
        return malformed(
            fmt::format("{} sections of the baseline, at most {} are taken", manifest.sections.size(), kMaxSections));
    std::uint64_t previous_end = 0;
    for (const pe::SectionIdentity& section : manifest.sections) {
        if (section.range.size == 0 || section.range.begin.value < previous_end ||
            section.range.end() > baseline.size_of_image)
            return malformed(fmt::format("the baseline's section at 0x{:x} is empty, out of order or outside the image",
                                         section.range.begin.value));
        previous_end = section.range.end();
    }
    return {};
}

/// Bytes of the baseline that belong to a site: those it replaces and those its continuation runs.
RvaRange entry_range(const isa::Site& site) {
    return {site.entry, site.original_size()};
}

Result<void> check_site(const Manifest& manifest, const Replacement& function) {
    const isa::Site& site = function.site;
    const bool for_arm64 = site.kind == isa::SiteKind::arm64_branch;
    if (for_arm64 != (manifest.machine == Machine::arm64))
        return malformed("the site is for another machine");
    if (for_arm64 && site.entry.value % isa::arm64::kInstructionSize != 0)
        return malformed("the site is not aligned");
    const bool wide = site.branch_size() == isa::Isa::kWideBranchSize;
    if (site.entry != function.baseline || site.entry_size != entry_size_of(site.kind, wide))
        return malformed("the site does not lie at the function's entry");
    // Only a tail has fewer instructions than it replaces bytes; padding follows them.
    const bool is_tail = site.kind == isa::SiteKind::x64_tail;
    if (site.displaced == 0 || site.displaced > kMaxDisplaced || (site.displaced < site.entry_size) != is_tail ||
        (for_arm64 && site.displaced != site.entry_size))
        return malformed(fmt::format("{} bytes are displaced", site.displaced));
    if (is_tail ? site.displaced != function.baseline_size : site.displaced > function.baseline_size)
        return malformed("the site is not within its function");
    if (function.entry_bytes.size() != entry_range(site).size)
        return malformed(fmt::format("{} bytes of the entry are given", function.entry_bytes.size()));
    if (site.pad_size != isa::Isa::kBranchSize && !(site.uses_pad() && site.pad_size == isa::Isa::kWideBranchSize))
        return malformed(fmt::format("a pad of {} bytes", site.pad_size));
    if (function.pad_bytes.size() != (site.uses_pad() ? site.pad_size : 0) || (!site.uses_pad() && site.pad.value != 0))
        return malformed("the pad does not suit the kind of site");
    if (!in_one_section(manifest, entry_range(site)) ||
        (site.uses_pad() && !in_one_section(manifest, site.pad_range())))
        return malformed("the site lies outside the baseline's code");
    return {};
}

Result<void> check_functions(const Manifest& manifest) {
    if (manifest.functions.size() > kMaxFunctions)
        return malformed(fmt::format("{} functions, at most {} are taken", manifest.functions.size(), kMaxFunctions));
    std::vector<RvaRange> sites;
    const Replacement* previous = nullptr;
    for (const Replacement& function : manifest.functions) {
        SUTURE_CHECK(check_text("the name of a function", function.name, kMaxName));
        const auto bad = [&](Error error) { return fail(std::move(error.at(function.baseline))); };
        if (previous && function.baseline <= previous->baseline)
            return bad(malformed("the functions are not in ascending order").error());
        if (function.baseline_size == 0 || !in_one_section(manifest, {function.baseline, function.baseline_size}))
            return bad(malformed("the function lies outside the baseline's code").error());
        if (auto site = check_site(manifest, function); !site)
            return bad(std::move(site).error());
        sites.push_back(entry_range(function.site));
        if (function.site.uses_pad())
            sites.push_back(function.site.pad_range());
        previous = &function;
    }
    std::ranges::sort(sites);
    const auto overlap = std::ranges::adjacent_find(sites, [](RvaRange a, RvaRange b) { return a.overlaps(b); });
    if (overlap != sites.end())
        return fail(Error(Code::package_malformed, "two sites overlap").at(overlap->begin));
    return {};
}

Result<void> check_retired(const Manifest& manifest) {
    if (manifest.retired.size() > kMaxFunctions)
        return malformed(
            fmt::format("{} retired ranges, at most {} are taken", manifest.retired.size(), kMaxFunctions));
    std::uint64_t previous_end = 0;
    for (const RvaRange& range : manifest.retired) {
        if (range.size == 0 || range.begin.value < previous_end || !in_one_section(manifest, range))
            return malformed(fmt::format("the retired range at 0x{:x} is empty, out of order or outside the code",
                                         range.begin.value));
        previous_end = range.end();
    }
    return {};
}

Result<void> check_kind(const Fixup& fixup, Machine machine) {
    switch (fixup.kind) {
    case FixupKind::absolute64:
    case FixupKind::rel32:
        return {};
    case FixupKind::arm64_page21:
    case FixupKind::arm64_branch26:
        if (machine != Machine::arm64)
            return malformed("a fixup for another machine");
        if (fixup.addend != 0)
            return malformed(fmt::format("an addend of {} to an instruction", fixup.addend));
        if (fixup.kind == FixupKind::arm64_branch26 && fixup.target.value % isa::arm64::kInstructionSize != 0)
            return malformed(fmt::format("a branch to 0x{:x}, which is not aligned", fixup.target.value));
        return {};
    case FixupKind::image_relative32:
        if (machine != Machine::x64)
            return malformed("a fixup for another machine");
        if (fixup.addend != 0)
            return malformed(fmt::format("an addend of {} to an RVA", fixup.addend));
        return {};
    }
    return malformed(fmt::format("unknown kind of fixup {}", static_cast<unsigned>(fixup.kind)));
}

Result<void> check_fixups(const Manifest& manifest) {
    if (manifest.fixups.size() > kMaxFixups)
        return malformed(fmt::format("{} fixups, at most {} are taken", manifest.fixups.size(), kMaxFixups));
    for (std::size_t i = 0; i < manifest.fixups.size(); ++i) {
        const Fixup& fixup = manifest.fixups[i];
        SUTURE_CHECK(check_kind(fixup, manifest.machine));
        if (i > 0 && fixup.source <= manifest.fixups[i - 1].source)
            return malformed("the fixups are not in ascending order");
        // check_contents() knows where the package ends.
        if (fixup.kind != FixupKind::image_relative32 && fixup.target.value >= manifest.baseline.size_of_image)
            return malformed(fmt::format("a fixup refers to 0x{:x}, outside the baseline", fixup.target.value));
    }
    return {};
}

Result<void> check_globals(const Manifest& manifest) {
    if (manifest.globals.size() > kMaxGlobals)
        return malformed(fmt::format("{} globals, at most {} are taken", manifest.globals.size(), kMaxGlobals));
    std::uint64_t previous_end = 0;
    for (const Global& global : manifest.globals) {
        SUTURE_CHECK(check_text("the name of a global", global.name, kMaxName));
        if (global.size == 0 || global.at.value < previous_end)
            return malformed(fmt::format("the global at 0x{:x} is empty or out of order", global.at.value));
        previous_end = RvaRange{global.at, global.size}.end();
    }
    return {};
}

/// check_contents() knows the rest of those in the package.
Result<void> check_call_targets(const Manifest& manifest) {
    if (!manifest.guarded && !(manifest.call_targets.empty() && manifest.baseline_call_targets.empty()))
        return malformed("call targets, and nothing guards calls");
    if (manifest.call_targets.size() > kMaxCallTargets || manifest.baseline_call_targets.size() > kMaxCallTargets)
        return malformed(fmt::format("{} and {} call targets, at most {} are taken", manifest.call_targets.size(),
                                     manifest.baseline_call_targets.size(), kMaxCallTargets));
    for (const std::vector<Rva>* targets : {&manifest.call_targets, &manifest.baseline_call_targets})
        if (std::ranges::adjacent_find(*targets, std::ranges::greater_equal()) != targets->end())
            return malformed("the call targets are not in ascending order");
    for (const Rva target : manifest.baseline_call_targets)
        if (!in_one_section(manifest, {target, 1}))
            return malformed(fmt::format("a call target at 0x{:x} lies outside the baseline's code", target.value));
    return {};
}

} // namespace

Result<void> check_manifest(const Manifest& manifest) {
    SUTURE_CHECK(check_identity(manifest));
    SUTURE_CHECK(check_functions(manifest));
    SUTURE_CHECK(check_retired(manifest));
    SUTURE_CHECK(check_fixups(manifest));
    SUTURE_CHECK(check_call_targets(manifest));
    return check_globals(manifest);
}

} // namespace suture::package
