#include "loader/cli/operation.hpp"

#include "loader/cli/system.hpp"
#include "loader/host/process.hpp"
#include "loader/host/process_lock.hpp"

#include <spdlog/spdlog.h>

namespace suture::cli {

Result<patch::Report> operate(std::uint64_t pid,
                              const std::function<Result<patch::Report>(target::Target&)>& operation) {
    SUTURE_TRY(const auto target, loader::open_process(pid));
    SUTURE_TRY(const auto lock, loader::ProcessLock::take(pid));
    spdlog::debug("process {} runs a PE image for {}", pid, suture::name_of(target->machine()));
    ignore_interruptions();
    auto report = operation(*target);
    // Whatever is found wrong with a process that is ending, that it ends is what there is to know.
    if (!report && report.error().code() != Code::target_gone)
        if (const auto regions = target->regions(); !regions && regions.error().code() == Code::target_gone)
            return fail(Error(regions.error()).caused_by(std::move(report).error()));
    if (report)
        spdlog::debug("done at attempt {}", report->attempts);
    return report;
}

} // namespace suture::cli
