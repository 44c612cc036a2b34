#include "loader/cli/report.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace suture::cli {

namespace {

std::string module_text(const patch::ModuleReport& module) {
    if (module.state == "removed")
        return "nothing of a hotpatch is left, and every byte equals the baseline";
    if (module.sequence == 0)
        return "the baseline is in force";
    return fmt::format("{} redirected, sequence {} in force", counted(module.functions, "function"), module.sequence);
}

Json module_json(const patch::ModuleReport& module) {
    return {{"module", module.module},
            {"base", module.base.value},
            {"functions", module.functions},
            {"sequence", module.sequence},
            {"state", module.state}};
}

std::string_view text_of(patch::StateNote::What what) {
    switch (what) {
    case patch::StateNote::What::kept:
        return "keeps its value";
    case patch::StateNote::What::resized:
        return "has another size, and does not keep its value";
    case patch::StateNote::What::begins:
        return "is not known of the version that goes, and begins with a value of its own";
    case patch::StateNote::What::left:
        return "is not known of the version that comes, and its value is left";
    }
    return "";
}

std::string state_text(const patch::StateNote& note) {
    return fmt::format("{}: the global {} of {} {}", note.module,
                       note.name.empty() ? "without a name" : fmt::format("\"{}\"", note.name),
                       counted(note.size, "byte"), text_of(note.what));
}

Json state_json(const patch::StateNote& note) {
    return {{"module", note.module}, {"name", note.name}, {"size", note.size}, {"what", name_of(note.what)}};
}

std::int64_t microseconds(std::chrono::nanoseconds duration) {
    return std::chrono::round<std::chrono::microseconds>(duration).count();
}

} // namespace

void warn_of_state(std::span<const patch::StateNote> notes) {
    for (const patch::StateNote& note : notes)
        if (note.what != patch::StateNote::What::kept)
            spdlog::warn("{}", state_text(note));
}

Answer answer_of(std::uint64_t pid, const Result<patch::Report>& result) {
    const patch::Report report = result.value_or(patch::Report());
    Answer answer;
    Json modules = Json::array();
    for (const patch::ModuleReport& module : report.modules) {
        answer.text += fmt::format("{}: {}.\n", module.module, module_text(module));
        modules.push_back(module_json(module));
    }
    Json left = Json::array();
    for (const VaRange& range : report.left) {
        answer.text += fmt::format("{} at 0x{:x} do not hold what was mapped there, and stay.\n",
                                   counted(range.size, "byte"), range.begin.value);
        left.push_back({{"at", range.begin.value}, {"size", range.size}});
    }
    if (report.freed != 0)
        answer.text += fmt::format("{} that an operation left are freed.\n", counted(report.freed, "byte"));
    Json state = Json::array();
    for (const patch::StateNote& note : report.state) {
        answer.text += state_text(note) + ".\n";
        state.push_back(state_json(note));
    }
    if (result)
        answer.text +=
            fmt::format("Process {} paused for {}; prepared in {}, committed in {}, attempt {}.\n", pid,
                        text_of(report.pause), text_of(report.prepare), text_of(report.commit), report.attempts);
    else
        answer.error = result.error();
    answer.json = {{"pid", pid},
                   {"modules", std::move(modules)},
                   {"pause_us", microseconds(report.pause)},
                   {"prepare_us", microseconds(report.prepare)},
                   {"commit_us", microseconds(report.commit)},
                   {"attempts", report.attempts},
                   {"left", std::move(left)},
                   {"freed", report.freed},
                   {"state", std::move(state)}};
    return answer;
}

} // namespace suture::cli
