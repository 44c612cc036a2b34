#pragma once

#include "engine/core/result.hpp"
#include "loader/cli/exit_code.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace suture::cli {

using Json = nlohmann::ordered_json;

/// Options that every command takes.
struct OutputOptions {
    bool json = false;
    std::string json_file; ///< empty or "-": standard output
    bool verbose = false;
    bool quiet = false;

    bool json_on_stdout() const { return json && (json_file.empty() || json_file == "-"); }
};

/// What a command found or did.
struct Answer {
    std::string text; ///< whole lines for people
    Json json = Json::object();
    std::optional<Error> error;
};

/// The way from a command to people and scripts: text on standard output unless JSON goes there, errors and the log on
/// standard error.
class Output {
  public:
    explicit Output(OutputOptions options) : options_(std::move(options)) {}

    /// Sets up the log, and opens the file for JSON: an operation that could not be told of is not begun.
    /// Error: file_unwritable.
    Result<void> begin();
    /// Tells the answer, with "result" as the first and "error" as the last key of the JSON, and returns how to end.
    Exit deliver(const Answer& answer);

  private:
    OutputOptions options_;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> json_file_{nullptr, std::fclose};
};

/// The error and its causes in lines, and what to do about it.
std::string text_of(const Error& error);
Json json_of(const Error& error);

/// "312 us", "14.2 ms", "1.25 s"
std::string text_of(std::chrono::nanoseconds duration);
/// "1 function", "2 functions"
std::string counted(std::size_t count, std::string_view noun);

} // namespace suture::cli
