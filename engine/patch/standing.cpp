#include "engine/patch/standing.hpp"

#include <algorithm>

namespace suture::patch {

namespace {

void learn(std::vector<KnownBaseline>& known, KnownBaseline baseline) {
    const auto same = std::ranges::find_if(known, [&](const KnownBaseline& one) {
        return one.header == baseline.header && target::same_file_name(one.module, baseline.module);
    });
    if (same == known.end())
        known.push_back(std::move(baseline));
    else
        same->newest = std::max(same->newest, baseline.newest);
}

const KnownBaseline* find(std::span<const KnownBaseline> known, std::string_view module,
                          const pe::HeaderIdentity& header) {
    const auto found = std::ranges::find_if(known, [&](const KnownBaseline& one) {
        return one.header == header && target::same_file_name(one.module, module);
    });
    return found == known.end() ? nullptr : &*found;
}

bool is_gone(const Error& error) {
    return error.code() == Code::target_gone || error.code() == Code::target_inaccessible;
}

Standing standing_of(const ModuleStatus& module, std::uint32_t newest) {
    if (module.needs_recover())
        return Standing::needs_recover;
    if (!module.findings.empty())
        return Standing::differs;
    return module.active >= newest ? Standing::current : Standing::old;
}

/// Of a module that nothing is known to have been done to; nothing if it is none of the known baselines.
Result<std::optional<ModuleStanding>> standing_of(target::Target& target, const target::Module& module,
                                                  std::span<const KnownBaseline> known) {
    const bool named = std::ranges::any_of(known, [&](const KnownBaseline& one) {
        return one.header.size_of_image == module.range.size && target::same_file_name(one.module, module.name);
    });
    if (!named)
        return std::nullopt;
    const auto snapshot = Snapshot::take(target, module);
    if (!snapshot && is_gone(snapshot.error()))
        return std::unexpected(snapshot.error());
    const auto header = snapshot ? pe::header_identity_of((*snapshot)->image()) : std::unexpected(snapshot.error());
    const KnownBaseline* const baseline = header ? find(known, module.name, *header) : nullptr;
    if (!baseline)
        return std::nullopt;
    const auto sections = pe::section_identities_of((*snapshot)->image(), (*snapshot)->masked());
    const bool equal = sections && *sections == baseline->sections;
    return ModuleStanding{module.name, module.range.begin, 0, baseline->newest,
                          !equal                  ? Standing::differs
                          : baseline->newest == 0 ? Standing::current
                                                  : Standing::old};
}

} // namespace

void learn(std::vector<KnownBaseline>& known, const package::Manifest& manifest) {
    learn(known, {manifest.module, manifest.baseline, manifest.sections, manifest.sequence});
}

void learn(std::vector<KnownBaseline>& known, const ModuleStatus& module) {
    learn(known, {module.module, module.baseline, module.sections,
                  module.versions.empty() ? 0 : module.versions.back().sequence});
}

std::string_view name_of(Standing standing) {
    switch (standing) {
    case Standing::current:
        return "new";
    case Standing::old:
        return "old";
    case Standing::differs:
        return "differs";
    case Standing::needs_recover:
        return "needs-recover";
    }
    return "unknown";
}

Result<std::vector<ModuleStanding>> standings_of(target::Target& target, std::span<const ModuleStatus> patched,
                                                 std::span<const KnownBaseline> known) {
    std::vector<ModuleStanding> standings;
    for (const ModuleStatus& module : patched)
        if (const KnownBaseline* baseline = find(known, module.module, module.baseline))
            standings.push_back(
                {module.module, module.base, module.active, baseline->newest, standing_of(module, baseline->newest)});
    SUTURE_TRY(const auto modules, target.modules());
    for (const target::Module& module : modules) {
        if (std::ranges::find(patched, module.range.begin, &ModuleStatus::base) != patched.end())
            continue;
        SUTURE_TRY(auto standing, standing_of(target, module, known));
        if (standing)
            standings.push_back(std::move(*standing));
    }
    std::ranges::sort(standings, {}, &ModuleStanding::base);
    return standings;
}

} // namespace suture::patch
