#pragma once

#include "engine/package/reader.hpp"
#include "engine/patch/status.hpp"

#include <span>

namespace suture::patch {

/// A baseline, and the newest hotpatch for it that is known of.
struct KnownBaseline {
    std::string module;
    pe::HeaderIdentity header;
    std::vector<pe::SectionIdentity> sections;
    std::uint32_t newest = 0; ///< sequence

    bool operator==(const KnownBaseline&) const = default;
};

/// Adds what a package, or a patched module in some process, tells. A version that was rolled back counts as known.
void learn(std::vector<KnownBaseline>& known, const package::Manifest& manifest);
void learn(std::vector<KnownBaseline>& known, const ModuleStatus& module);

/// Which code a loaded module runs.
enum class Standing : std::uint8_t {
    current,       ///< the newest known version is in force, or a later one
    old,           ///< an earlier one, or the baseline
    differs,       ///< neither: its code is not what was written or not the baseline's, and a hotpatch would be refused
    needs_recover, ///< an operation was cut off
};

/// "new", "old", "differs", "needs-recover": the spelling used in output and JSON.
std::string_view name_of(Standing standing);

struct ModuleStanding {
    std::string module;
    Va base;
    std::uint32_t active = 0;
    std::uint32_t newest = 0;
    Standing standing = Standing::current;
};

/// Every module of the target that is one of the known baselines by its name and headers. `patched` is status() of the
/// same target. Errors: those of the target.
Result<std::vector<ModuleStanding>> standings_of(target::Target& target, std::span<const ModuleStatus> patched,
                                                 std::span<const KnownBaseline> known);

} // namespace suture::patch
