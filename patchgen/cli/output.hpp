#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>

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

/// Where a command tells what it found: text on standard output unless JSON goes there, errors on standard error.
class Output {
  public:
    explicit Output(const OutputOptions& options);
    /// With or without colours, whatever standard output is.
    Output(const OutputOptions& options, bool coloured) : options_(options), coloured_(coloured) {}

    const OutputOptions& options() const { return options_; }
    /// Text for people; nothing where --quiet is given or JSON goes to standard output.
    void text(std::string_view text) const;
    /// Error, its place, its causes and the advice, on standard error.
    void error(const Error& error) const;
    /// Where --json is given: writes it. Error: file_unwritable.
    Result<void> json(const Json& json) const;

    enum class Style { plain, bold, good, bad, dim };
    /// `text` in a style, on a terminal; unchanged elsewhere.
    std::string styled(Style style, std::string_view text) const;

  private:
    OutputOptions options_;
    bool coloured_ = false;
};

/// Writes a whole file or nothing: under a temporary name beside it first. Error: file_unwritable.
Result<void> write_file(const std::string& path, ByteView bytes);
/// Error: file_unreadable, package_malformed (larger than `limit` bytes).
Result<Bytes> read_file(const std::string& path, std::size_t limit);

/// "0x1234"
std::string hex(std::uint64_t value);
/// "48 89 c8"
std::string hex(ByteView bytes);
/// "1 function", "2 functions"
std::string counted(std::size_t count, std::string_view noun);
Json json_of(const Error& error);

} // namespace suture::cli
