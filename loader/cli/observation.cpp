#include "loader/cli/observation.hpp"

#include "loader/cli/probe.hpp"
#include "loader/cli/system.hpp"
#include "loader/host/health.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ranges>
#include <thread>

namespace suture::cli {

namespace {

using Clock = std::chrono::steady_clock;

/// From one look to the next.
constexpr std::chrono::milliseconds kBetween{250};

class Watch {
  public:
    Watch(std::uint64_t pid, const ObservationOptions& options, Observation& seen)
        : pid_(pid), options_(options), seen_(seen) {}

    /// What is wrong, or nothing until the time is over. Error: target_gone.
    Result<std::string> run() {
        const Interruptible interruptible;
        SUTURE_TRY(const auto health, loader::Health::of(pid_));
        const auto began = Clock::now();
        for (bool last = false;;) {
            const auto found = look(health);
            seen_.watched = Clock::now() - began;
            SUTURE_TRY(std::string fault, found);
            if (!fault.empty() || last)
                return fault;
            last = seen_.watched >= options_.duration;
            if (!last)
                std::this_thread::sleep_for(
                    std::min<std::chrono::nanoseconds>(kBetween, options_.duration - seen_.watched));
        }
    }

  private:
    Result<std::string> look(const loader::Health& health) {
        SUTURE_TRY(std::string fault, health.fault());
        if (fault.empty() && interrupted())
            fault = "the observation was interrupted";
        if (!fault.empty() || options_.probe.empty())
            return fault;
        ++seen_.probes;
        std::string failure = run_probe(options_.probe, pid_, options_.probe_patience, options_.verbose);
        if (failure.empty())
            return failure;
        // A probe of a process that has ended fails too, and that is not what is to be told.
        SUTURE_TRY(fault, health.fault());
        return fault.empty() ? fmt::format("the probe fails: {}", failure) : fault;
    }

    std::uint64_t pid_;
    const ObservationOptions& options_;
    Observation& seen_;
};

/// All of them, as far as it goes; the first failure is told.
Result<void> roll_back(target::Target& target, patch::Report& report, const patch::Options& options, bool& mixed) {
    Result<void> outcome;
    for (patch::ModuleReport& module : report.modules | std::views::reverse) {
        patch::Options how = options;
        auto done = patch::rollback(target, module.module, module.previous, how);
        if (!done && done.error().code() == Code::not_quiescent) {
            // New code that hangs never becomes quiescent: those inside stay there, everybody else gets out.
            how.consistency = patch::Consistency::none;
            done = patch::rollback(target, module.module, module.previous, how);
            mixed = mixed || done;
        }
        if (done)
            module = done->modules.front();
        else if (outcome)
            outcome = std::unexpected(std::move(done).error());
    }
    return outcome;
}

} // namespace

Result<void> check_probe(std::uint64_t pid, const ObservationOptions& options) {
    if (options.probe.empty())
        return {};
    std::string failure = run_probe(options.probe, pid, options.probe_patience, options.verbose);
    return failure.empty() ? Result<void>() : fail(Code::probe_failed, std::move(failure));
}

Observation observe(target::Target& target, patch::Report& report, const ObservationOptions& options,
                    const patch::Options& patch) {
    Observation seen;
    const auto fault = Watch(target.pid(), options, seen).run();
    seen.fault = fault ? *fault : fault.error().detail();
    if (seen.fault.empty())
        return seen;
    if (fault) {
        spdlog::debug("rolling back: {}", *fault);
        seen.error = Error(Code::observation_failed, *fault);
        if (auto back = roll_back(target, report, patch, seen.mixed); !back)
            seen.error = std::move(back).error().caused_by(std::move(*seen.error));
    } else {
        seen.error = fault.error();
    }
    if (seen.error->code() == Code::target_gone)
        report.modules.clear();
    return seen;
}

std::string observation_text(const Observation& observation) {
    const std::string what =
        fmt::format("Observed for {}{}", text_of(observation.watched),
                    observation.probes == 0 ? "" : fmt::format(", {}", counted(observation.probes, "probe")));
    if (observation.fault.empty())
        return what + ": nothing is wrong.\n";
    return fmt::format("{}: {}.\n{}", what, observation.fault,
                       observation.mixed ? "Calls of the new code that were under way finish in it.\n" : "");
}

Json observation_json(const Observation& observation) {
    const char* outcome = "passed";
    if (observation.error)
        outcome = observation.error->code() == Code::observation_failed ? "rolled-back"
                  : observation.error->code() == Code::target_gone      ? "gone"
                                                                        : "failed";
    return {{"seconds", std::chrono::duration<double>(observation.watched).count()},
            {"probes", observation.probes},
            {"outcome", outcome},
            {"fault", observation.fault.empty() ? Json(nullptr) : Json(observation.fault)},
            {"mixed", observation.mixed}};
}

} // namespace suture::cli
