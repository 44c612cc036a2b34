#include "engine/patch/status.hpp"

#include "loader/cli/commands.hpp"
#include "loader/linux/process.hpp"
#include "loader/linux/process_lock.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace suture::cli {

namespace {

using patch::ModuleStatus;
using patch::Phase;

struct ProcessStatus {
    std::vector<ModuleStatus> modules;
    patch::Leftovers leftovers;

    bool empty() const { return modules.empty() && leftovers.empty(); }
    bool is_final() const {
        return leftovers.empty() &&
               std::ranges::all_of(modules, [](const ModuleStatus& module) { return module.phase == Phase::live; });
    }
};

Result<ProcessStatus> look(target::Target& target) {
    ProcessStatus process;
    SUTURE_TRY(process.modules, patch::status(target));
    SUTURE_TRY(process.leftovers, patch::leftovers(target));
    return process;
}

Result<ProcessStatus> status_of(std::uint64_t pid) {
    SUTURE_TRY(const auto target, loader::open_process(pid));
    SUTURE_TRY(auto process, look(*target));
    if (process.is_final())
        return process;
    // What another suture is doing right now was not cut off.
    SUTURE_TRY(const auto lock, loader::ProcessLock::take(pid));
    return look(*target);
}

std::string in_force(const ModuleStatus& module) {
    return module.active == 0 ? "the baseline in force" : fmt::format("sequence {} in force", module.active);
}

std::string state_text(const ModuleStatus& module) {
    if (module.phase != Phase::live)
        return "needs recover: an operation was cut off, `suture recover` will " + module.recovery;
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
                 {"intact", module.phase == Phase::live && module.findings.empty()},
                 {"needs_recover", module.phase != Phase::live},
                 {"recovery", module.phase != Phase::live ? Json(module.recovery) : Json(nullptr)},
                 {"findings", Json::array()}};
    for (const patch::VersionStatus& version : module.versions)
        json["versions"].push_back(
            {{"sequence", version.sequence}, {"id", version.id}, {"functions", version.functions}});
    for (const patch::Finding& finding : module.findings)
        json["findings"].push_back({{"at", finding.at.value}, {"what", finding.what}});
    return json;
}

std::optional<Error> error_of(std::uint64_t pid, const ModuleStatus& module) {
    if (module.phase != Phase::live)
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

  private:
    void note(Error error) {
        if (!error_ || (error_->code() != Code::needs_recover && error.code() == Code::needs_recover))
            error_ = std::move(error);
    }

    std::string text_;
    Json processes_ = Json::array();
    std::optional<Error> error_;
};

std::string processes(std::size_t count) {
    return count == 1 ? "1 process" : fmt::format("{} processes", count);
}

Answer status_of_all() {
    const loader::ProcessList list = loader::list_processes();
    Collector collector;
    std::size_t patched = 0;
    std::size_t unseen = list.inaccessible;
    for (const std::uint64_t pid : list.pids) {
        const auto modules = status_of(pid);
        if (modules && modules->empty())
            continue;
        if (modules) {
            ++patched;
            collector.add(pid, *modules);
        } else if (exit_of(modules.error().code()) == Exit::target_gone) {
            spdlog::debug("process {}: {}", pid, modules.error().message());
            if (modules.error().code() == Code::target_inaccessible)
                ++unseen;
        } else {
            collector.add_failure(pid, modules.error());
        }
    }
    collector.add_text(fmt::format("{} patched, of {} with a PE image.\n", processes(patched), list.pids.size()));
    if (unseen != 0)
        collector.add_text(fmt::format("{} could not be looked at: not yours, or traced.\n", processes(unseen)));
    Answer answer = std::move(collector).finish();
    answer.json["inaccessible"] = unseen;
    return answer;
}

} // namespace

Answer status(const StatusOptions& options) {
    if (!options.pid)
        return status_of_all();
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
