#include "loader/cli/operation.hpp"

#include "loader/linux/process.hpp"
#include "loader/linux/process_lock.hpp"

#include <spdlog/spdlog.h>

#include <csignal>

namespace suture::cli {

Result<patch::Report> operate(std::uint64_t pid,
                              const std::function<Result<patch::Report>(target::Target&)>& operation) {
    SUTURE_TRY(const auto target, loader::open_process(pid));
    SUTURE_TRY(const auto lock, loader::ProcessLock::take(pid));
    spdlog::debug("process {} runs a PE image for {}", pid, suture::name_of(target->machine()));
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        std::signal(signal, SIG_IGN);
    auto report = operation(*target);
    if (report)
        spdlog::debug("done at attempt {}", report->attempts);
    return report;
}

} // namespace suture::cli
