#include "loader/cli/output.hpp"

#include "loader/cli/system.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace suture::cli {

namespace {

void start_log(const OutputOptions& options) {
    const char* no_colour = std::getenv("NO_COLOR");
    const bool coloured = !no_colour || *no_colour == '\0';
    auto logger =
        spdlog::stderr_color_st("suture", coloured ? spdlog::color_mode::automatic : spdlog::color_mode::never);
    logger->set_pattern("%n: %^%l%$: %v");
    logger->set_level(options.verbose ? spdlog::level::debug
                      : options.quiet ? spdlog::level::err
                                      : spdlog::level::warn);
    spdlog::set_default_logger(std::move(logger));
}

/// Names come from packages and processes, and paths from the shell: what is no UTF-8 is replaced.
std::string dump(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// Names come from packages, processes and the shell: none may drive the terminal.
std::string without_control_characters(std::string text) {
    std::ranges::replace_if(
        text, [](unsigned char byte) { return (byte < 0x20 && byte != '\n') || byte == 0x7f; }, '?');
    return text;
}

bool print(std::string_view text, std::FILE* to) {
    return std::fwrite(text.data(), 1, text.size(), to) == text.size() && std::fflush(to) == 0;
}

} // namespace

Result<void> Output::begin() {
    start_log(options_);
    if (!options_.json || options_.json_on_stdout())
        return {};
    errno = 0;
    json_file_.reset(create_file(options_.json_file));
    if (!json_file_)
        return fail(Error(Code::file_unwritable, std::strerror(errno)).in_image(options_.json_file));
    return {};
}

Exit Output::deliver(const Answer& answer) {
    const Exit exit = answer.error ? exit_of(answer.error->code()) : Exit::done;
    bool told = true;
    if (!options_.quiet && !options_.json_on_stdout())
        told = print(without_control_characters(answer.text), stdout);
    if (answer.error)
        spdlog::error("{}", without_control_characters(text_of(*answer.error)));
    if (options_.json) {
        Json json = {{"result", name_of(exit)}};
        for (const auto& [key, value] : answer.json.items())
            json[key] = value;
        json["error"] = answer.error ? json_of(*answer.error) : Json(nullptr);
        if (options_.json_on_stdout())
            told = print(dump(json), stdout);
        else if (json_file_)
            told = print(dump(json), json_file_.get()) && told;
    }
    if (!told)
        spdlog::error("{}", text_of(Error(Code::file_unwritable, "the result could not be written")));
    return told || exit != Exit::done ? exit : exit_of(Code::file_unwritable);
}

std::string text_of(const Error& error) {
    return fmt::format("{}\n  {}", error.message(), error.todo());
}

Json json_of(const Error& error) {
    Json json = {{"code", text_of(error.code())}, {"detail", error.detail()}};
    if (!error.place().image.empty())
        json["image"] = error.place().image;
    if (error.place().rva)
        json["rva"] = error.place().rva->value;
    if (!error.place().function.empty())
        json["function"] = error.place().function;
    if (error.place().thread)
        json["thread"] = *error.place().thread;
    json["todo"] = error.todo();
    if (error.cause())
        json["cause"] = json_of(*error.cause());
    return json;
}

std::string text_of(std::chrono::nanoseconds duration) {
    const double microseconds = std::chrono::duration<double, std::micro>(duration).count();
    if (microseconds < 1e3)
        return fmt::format("{:.0f} us", microseconds);
    return microseconds < 1e6 ? fmt::format("{:.1f} ms", microseconds / 1e3)
                              : fmt::format("{:.2f} s", microseconds / 1e6);
}

std::string counted(std::size_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

} // namespace suture::cli
