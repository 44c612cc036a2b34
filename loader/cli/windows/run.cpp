#include "loader/cli/commands.hpp"
#include "loader/cli/report.hpp"
#include "loader/cli/system.hpp"
#include "loader/cli/windows/text.hpp"
#include "loader/host/process_lock.hpp"
#include "loader/windows/launch.hpp"
#include "loader/windows/process.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string>

namespace suture::cli {

namespace {

/// As CommandLineToArgvW() takes it apart: backslashes count only before a quotation mark.
std::wstring quote(std::wstring_view word) {
    if (!word.empty() && word.find_first_of(L" \t\n\v\"") == std::wstring_view::npos)
        return std::wstring(word);
    std::wstring text = L"\"";
    std::size_t backslashes = 0;
    for (const wchar_t c : word) {
        if (c == L'"')
            text.append(backslashes + 1, L'\\');
        backslashes = c == L'\\' ? backslashes + 1 : 0;
        text += c;
    }
    text.append(backslashes, L'\\');
    return text + L'"';
}

std::wstring command_line(const std::vector<std::string>& command) {
    std::wstring line;
    for (const std::string& word : command)
        line += std::wstring(line.empty() ? L"" : L" ") + quote(wide(word));
    return line;
}

/// From the program's start to its first instruction.
class Starter {
  public:
    Starter(const RunOptions& options, const std::vector<LoadedPackage>& packages, Output& output)
        : options_(options), output_(output) {
        for (const LoadedPackage& one : packages) {
            origins_.push_back(origin_json(one));
            packages_.push_back(one.package);
        }
    }

    Exit run() {
        auto launch = loader::Launch::start(command_line(options_.command));
        if (!launch)
            return tell(0, fail(std::move(launch).error().in_image(options_.command.front())));
        auto report = patch(*launch);
        if (!report) {
            const Exit exit = tell(launch->pid(), std::unexpected(std::move(report).error()));
            launch->end(static_cast<int>(exit));
            return exit;
        }
        if (const Exit exit = tell(launch->pid(), std::move(report)); exit != Exit::done) {
            launch->end(static_cast<int>(exit));
            return exit;
        }
        if (auto gone = launch->let_go(); !gone) {
            launch->end(static_cast<int>(Exit::target_gone));
            return tell(launch->pid(), std::unexpected(std::move(gone).error()));
        }
        return static_cast<Exit>(launch->wait());
    }

  private:
    Result<patch::Report> patch(loader::Launch& launch) {
        SUTURE_CHECK(launch.until_loaded());
        SUTURE_TRY(const auto target,
                   loader::open_held_process(launch.pid(), [&](Va function, const auto& arguments) {
                       return launch.call(function, arguments);
                   }));
        SUTURE_TRY(const auto lock, loader::ProcessLock::take(launch.pid()));
        return patch::apply(*target, packages_, options_.patch);
    }

    /// Before the program runs on: what it writes comes behind.
    Exit tell(std::uint64_t pid, Result<patch::Report> report) {
        Answer answer = answer_of(pid, report);
        answer.json["program"] = options_.command.front();
        answer.json["packages"] = origins_;
        spdlog::debug("{}", answer.text);
        answer.text.clear(); // standard output is the program's
        return output_.deliver(answer);
    }

    const RunOptions& options_;
    Output& output_;
    std::vector<package::Package> packages_;
    Json origins_ = Json::array();
};

} // namespace

Exit run(const RunOptions& options, Output& output) {
    const auto loaded = load_packages(options.packages, options.trust);
    if (!loaded)
        return output.deliver(answer_of(0, std::unexpected(loaded.error())));
    // They are meant for the program, which shares the console, and end it.
    ignore_interruptions();
    return Starter(options, *loaded, output).run();
}

} // namespace suture::cli
