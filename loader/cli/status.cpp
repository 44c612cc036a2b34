#include "engine/patch/standing.hpp"
#include "loader/cli/commands.hpp"
#include "loader/host/process.hpp"
#include "loader/host/process_lock.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace suture::cli {

namespace {

using patch::ModuleStatus;
using patch::Phase;

struct ProcessStatus {
    std::vector<ModuleStatus> modules;
    patch::Leftovers leftovers;

    bool empty() const { return modules.empty() && leftovers.empty(); }
    bool is_final() const { return leftovers.empty() && std::ranges::none_of(modules, &ModuleStatus::needs_recover); }
};

Result<ProcessStatus> look(target::Target& target) {
    ProcessStatus process;
    SUTURE_TRY(process.modules, patch::status(target));
    SUTURE_TRY(process.leftovers, patch::leftovers(target));
    return process;
}

Result<ProcessStatus> status_of(target::Target& target) {
    SUTURE_TRY(auto process, look(target));
    if (process.is_final())
        return process;
    // What another suture is doing right now was not cut off.
    SUTURE_TRY(const auto lock, loader::ProcessLock::take(target.pid()));
    return look(target);
}

Result<ProcessStatus> status_of(std::uint64_t pid) {
    SUTURE_TRY(const auto target, loader::open_process(pid));
    return status_of(*target);
}

std::string in_force(const ModuleStatus& module) {
    return module.active == 0 ? "the baseline in force" : fmt::format("sequence {} in force", module.active);
}

std::string state_text(const ModuleStatus& module) {
    if (module.needs_recover())
        return fmt::format("needs recover: {}`suture recover` will {}",
                           module.phase == Phase::live ? "" : "an operation was cut off, ", module.recovery);
    return module.findings.empty() ? "intact" : "not intact";
}

std::string module_text(const ModuleStatus& module) {
    std::string text =
        fmt::format("  {} at 0x{:x}: {}, {}\n", module.module, module.base.value, in_force(module), state_text(module));
    for (const patch::VersionStatus& version : module.versions)
        text += fmt::format("    sequence {}: \"{}\", {}\n", version.sequence, version.id,
                            counted(version.functions, "function"));
    for (const patch::Finding& finding : module.findings)
        text += fmt::format("    0x{:x}: {}\n", finding.at.value, finding.what);
    return text;
}

Json module_json(const ModuleStatus& module) {
    Json json = {{"module", module.module},
                 {"base", module.base.value},
                 {"active", module.active},
                 {"versions", Json::array()},
                 {"intact", !module.needs_recover() && module.findings.empty()},
                 {"needs_recover", module.needs_recover()},
                 {"recovery", module.needs_recover() ? Json(module.recovery) : Json(nullptr)},
                 {"findings", Json::array()}};
    for (const patch::VersionStatus& version : module.versions)
        json["versions"].push_back(
            {{"sequence", version.sequence}, {"id", version.id}, {"functions", version.functions}});
    for (const patch::Finding& finding : module.findings)
        json["findings"].push_back({{"at", finding.at.value}, {"what", finding.what}});
    return json;
}

std::optional<Error> error_of(std::uint64_t pid, const ModuleStatus& module) {
    if (module.needs_recover())
        return Error(Code::needs_recover, fmt::format("process {}", pid)).in_image(module.module);
    if (!module.findings.empty())
        return Error(Code::verification_failed,
                     fmt::format("{} in process {}", counted(module.findings.size(), "difference"), pid))
            .in_image(module.module);
    return std::nullopt;
}

/// Collects processes into an answer. Of several errors, the one that a later operation would stop at counts.
class Collector {
  public:
    void add(std::uint64_t pid, const ProcessStatus& process) {
        text_ += fmt::format("Process {}:{}\n", pid, process.modules.empty() ? " nothing is patched." : "");
        Json& json = processes_.emplace_back(
            Json{{"pid", pid}, {"modules", Json::array()}, {"leftover_bytes", process.leftovers.bytes()}});
        if (!process.leftovers.empty()) {
            text_ +=
                fmt::format("  needs recover: an operation that was cut off left {}, `suture recover` frees them\n",
                            counted(process.leftovers.bytes(), "byte"));
            note(Error(Code::needs_recover, fmt::format("{} without a ledger in process {}",
                                                        counted(process.leftovers.bytes(), "byte"), pid)));
        }
        for (const ModuleStatus& module : process.modules) {
            text_ += module_text(module);
            json["modules"].push_back(module_json(module));
            if (auto error = error_of(pid, module))
                note(std::move(*error));
        }
    }

    void add_failure(std::uint64_t pid, const Error& error) {
        text_ += fmt::format("Process {}: {}\n", pid, error.message());
        processes_.push_back({{"pid", pid}, {"modules", Json::array()}, {"error", json_of(error)}});
        note(error);
    }

    void add_text(std::string_view text) { text_ += text; }

    Answer finish() && {
        Answer answer;
        answer.text = std::move(text_);
        answer.json = {{"processes", std::move(processes_)}};
        answer.error = std::move(error_);
        return answer;
    }

    void note(Error error) {
        if (!error_ || (error_->code() != Code::needs_recover && error.code() == Code::needs_recover))
            error_ = std::move(error);
    }

  private:
    std::string text_;
    Json processes_ = Json::array();
    std::optional<Error> error_;
};

std::string processes(std::size_t count) {
    return count == 1 ? "1 process" : fmt::format("{} processes", count);
}

/// A process that could be looked at.
struct Seen {
    std::uint64_t pid = 0;
    std::unique_ptr<target::Target> target;
    std::vector<ModuleStatus> patched;
};

/// Of all processes: how many run what.
struct Summary {
    std::array<std::size_t, 4> processes{}; ///< by Standing
    std::string text;                       ///< a line for each process that does not run the new code
    Json json = Json::array();

    /// A process counts once, by the worst of its modules.
    void add(std::uint64_t pid, std::span<const patch::ModuleStanding> modules) {
        if (modules.empty())
            return;
        const auto worst = std::ranges::max(modules, {}, &patch::ModuleStanding::standing).standing;
        ++processes[static_cast<std::size_t>(worst)];
        for (const patch::ModuleStanding& module : modules) {
            const std::string_view name = name_of(module.standing);
            json.push_back({{"pid", pid},
                            {"module", module.module},
                            {"base", module.base.value},
                            {"code", name},
                            {"active", module.active},
                            {"newest", module.newest}});
            if (module.standing != patch::Standing::current)
                text += fmt::format("Process {}: {} at 0x{:x}: {}; {} in force, {} is the newest.\n", pid,
                                    module.module, module.base.value, name, module.active, module.newest);
        }
    }
    std::size_t count(patch::Standing standing) const { return processes[static_cast<std::size_t>(standing)]; }
};

std::string summary_text(const Summary& summary) {
    using enum patch::Standing;
    const std::size_t all = std::reduce(summary.processes.begin(), summary.processes.end());
    if (all == 0)
        return "No process has loaded anything that a hotpatch is known for.\n";
    if (summary.count(current) == all)
        return fmt::format("{} {} the new code.\n",
                           all == 1 ? "The 1 process concerned" : fmt::format("All {} processes concerned", all),
                           all == 1 ? "runs" : "run");
    return fmt::format("Of {} concerned: {} new, {} old, {} different, {} in need of recover.\n", processes(all),
                       summary.count(current), summary.count(old), summary.count(differs),
                       summary.count(needs_recover));
}

Answer status_of_all(std::span<const LoadedPackage> packages) {
    const loader::ProcessList list = loader::list_processes();
    Collector collector;
    std::vector<Seen> seen;
    std::vector<patch::KnownBaseline> known;
    std::size_t patched = 0;
    std::size_t unseen = list.inaccessible;
    const auto note_failure = [&](std::uint64_t pid, const Error& error) {
        spdlog::debug("process {}: {}", pid, error.message());
        if (exit_of(error.code()) != Exit::target_gone)
            collector.add_failure(pid, error);
        else if (error.code() == Code::target_inaccessible)
            ++unseen;
    };
    for (const LoadedPackage& package : packages)
        learn(known, package.package.manifest());
    // Where packages are named, the question is about their modules alone.
    const auto concerns = [&](const auto& module) {
        return packages.empty() || std::ranges::any_of(packages, [&](const LoadedPackage& package) {
                   return target::same_file_name(package.package.manifest().module, module);
               });
    };
    const auto concerns_any = [&](target::Target& target) {
        const auto modules = target.modules();
        return !modules || std::ranges::any_of(*modules, concerns, &target::Module::name);
    };
    for (const std::uint64_t pid : list.pids) {
        auto target = loader::open_process(pid);
        if (target && !concerns_any(**target))
            continue;
        auto process = target ? status_of(**target) : std::unexpected(target.error());
        if (!process) {
            note_failure(pid, process.error());
            continue;
        }
        std::erase_if(process->modules, [&](const ModuleStatus& module) { return !concerns(module.module); });
        if (!process->empty()) {
            ++patched;
            collector.add(pid, *process);
        }
        if (packages.empty())
            for (const ModuleStatus& module : process->modules)
                learn(known, module);
        seen.push_back({pid, std::move(*target), std::move(process->modules)});
    }
    Summary summary;
    for (const Seen& one : seen) {
        if (auto standings = patch::standings_of(*one.target, one.patched, known))
            summary.add(one.pid, *standings);
        else
            note_failure(one.pid, standings.error());
    }
    collector.add_text(fmt::format("{} patched, of {} with a PE image.\n", processes(patched), list.pids.size()));
    if (unseen != 0)
        collector.add_text(fmt::format("{} could not be looked at: not yours, or traced.\n", processes(unseen)));
    collector.add_text(summary.text + summary_text(summary));
    const std::size_t others = summary.count(patch::Standing::old) + summary.count(patch::Standing::differs);
    if (others != 0)
        collector.note(Error(Code::old_code_runs, fmt::format("{} of those concerned", processes(others))));
    Answer answer = std::move(collector).finish();
    answer.json["inaccessible"] = unseen;
    answer.json["code"] = std::move(summary.json);
    answer.json["summary"] = {{"new", summary.count(patch::Standing::current)},
                              {"old", summary.count(patch::Standing::old)},
                              {"differs", summary.count(patch::Standing::differs)},
                              {"needs_recover", summary.count(patch::Standing::needs_recover)}};
    return answer;
}

} // namespace

Answer status(const StatusOptions& options) {
    if (!options.pid) {
        const auto packages = options.packages.empty() ? Result<std::vector<LoadedPackage>>()
                                                       : load_packages(options.packages, options.trust);
        if (packages)
            return status_of_all(*packages);
        Answer answer;
        answer.json = {{"processes", Json::array()}};
        answer.error = packages.error();
        return answer;
    }
    const auto modules = status_of(*options.pid);
    if (modules) {
        Collector collector;
        collector.add(*options.pid, *modules);
        return std::move(collector).finish();
    }
    Answer answer;
    answer.json = {{"processes", Json::array()}};
    answer.error = modules.error();
    return answer;
}

} // namespace suture::cli
