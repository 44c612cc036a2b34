#include "engine/patch/status.hpp"

#include <algorithm>

namespace suture::patch {

Result<std::vector<ModuleStatus>> status(target::Target& target) {
    SUTURE_TRY(const auto ledgers, find_ledgers(target));
    SUTURE_TRY(const auto loaded, target.modules());
    std::vector<ModuleStatus> modules;
    for (const Ledger& ledger : ledgers) {
        SUTURE_TRY(const bool stale, is_stale(target, ledger, loaded));
        ModuleStatus& module = modules.emplace_back();
        module.module = ledger.module;
        module.base = ledger.module_range.begin;
        module.baseline = ledger.baseline;
        module.sections = ledger.sections;
        module.active = ledger.active;
        module.phase = ledger.phase;
        if (stale || ledger.phase != Phase::live)
            module.recovery = describe(stale ? Recovery::take_out : recovery_of(ledger, ledgers), ledger);
        for (const LedgerVersion& version : ledger.versions)
            module.versions.push_back(
                {version.sequence, version.id,
                 version.cells.size() - static_cast<std::size_t>(std::ranges::count(version.cells, Va{0}))});
        auto findings = find_differences(target, ledger);
        if (findings)
            module.findings = std::move(*findings);
        else if (findings.error().code() == Code::target_gone || findings.error().code() == Code::target_inaccessible)
            return std::unexpected(std::move(findings).error());
        else
            module.findings = {{findings.error().message(), module.base}};
    }
    std::ranges::sort(modules, {}, &ModuleStatus::base);
    return modules;
}

Result<Leftovers> leftovers(target::Target& target) {
    SUTURE_TRY(const auto ledgers, find_ledgers(target));
    return find_leftovers(target, ledgers);
}

} // namespace suture::patch
