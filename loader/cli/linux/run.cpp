#include "loader/cli/commands.hpp"
#include "loader/cli/report.hpp"
#include "loader/cli/linux/start.hpp"
#include "loader/cli/system.hpp"
#include "loader/host/process_lock.hpp"
#include "loader/linux/launch.hpp"

#include <spdlog/spdlog.h>

#include <optional>

namespace suture::cli {

namespace {

/// What the helper does: from the program's exec() to its first instruction.
class Helper {
  public:
    Helper(const RunOptions& options, std::vector<LoadedPackage> packages, Output& output)
        : options_(options), output_(output) {
        for (const LoadedPackage& one : packages) {
            origins_.push_back(origin_json(one));
            packages_.push_back(one.package);
            modules_.push_back(one.package.manifest().module);
        }
    }

    Exit patch(Waiting& program) {
        auto launch = loader::Launch::attach(program.pid());
        if (!launch) {
            const Exit exit = tell(program.pid(), std::unexpected(launch.error()));
            program.end(static_cast<int>(exit));
            return exit;
        }
        program.go();
        std::optional<Exit> told;
        const auto ends = [&](Error why) {
            if (!program.failure().empty())
                why = Error(Code::file_unreadable, program.failure()).in_image(options_.command.front());
            if (!told)
                told = tell(program.pid(), std::unexpected(std::move(why)));
            return static_cast<int>(*told);
        };
        if (const auto loaded = launch->until_loaded(ends); !loaded) {
            ends(loaded.error());
            return *told;
        }
        return patch(program.pid(), *launch);
    }

  private:
    Exit patch(pid_t pid, loader::Launch& launch) {
        auto target = launch.open(modules_);
        if (!target)
            return refuse(pid, launch, std::move(target).error());
        const auto lock = loader::ProcessLock::take(static_cast<std::uint64_t>(pid));
        if (!lock)
            return refuse(pid, launch, lock.error());
        auto report = patch::apply(**target, packages_, options_.patch);
        if (!report)
            return refuse(pid, launch, std::move(report).error());
        return tell(pid, std::move(report));
    }

    Exit refuse(pid_t pid, loader::Launch& launch, Error error) {
        const Exit exit = tell(pid, std::unexpected(std::move(error)));
        launch.end(static_cast<int>(exit));
        return exit;
    }

    /// Before the program runs on: what it writes comes behind.
    Exit tell(pid_t pid, Result<patch::Report> report) {
        Answer answer = answer_of(static_cast<std::uint64_t>(pid), report);
        answer.json["program"] = options_.command.front();
        answer.json["packages"] = origins_;
        spdlog::debug("{}", answer.text);
        answer.text.clear(); // standard output is the program's
        return output_.deliver(answer);
    }

    const RunOptions& options_;
    Output& output_;
    std::vector<package::Package> packages_;
    std::vector<std::string> modules_;
    Json origins_ = Json::array();
};

} // namespace

Exit run(const RunOptions& options, Output& output) {
    const auto failed = [&](const Error& error) { return output.deliver(answer_of(0, std::unexpected(error))); };
    auto loaded = load_packages(options.packages, options.trust);
    if (!loaded)
        return failed(loaded.error());
    const auto command = start_command(options.command);
    if (!command)
        return failed(command.error());
    auto program = Waiting::split(*command);
    if (!program)
        return failed(program.error());
    // They are meant for the program, and end it.
    ignore_interruptions();
    return Helper(options, std::move(*loaded), output).patch(*program);
}

} // namespace suture::cli
