#include "patchgen/cli/output.hpp"

#include "patchgen/cli/plain_text.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace suture::cli {

namespace {

/// Bytes of an error that are shown, without its cause.
constexpr std::size_t kMaxMessage = 4096;

/// The message, with all that comes from files made plain: only what separates causes are lines of their own.
std::string plain_message(const Error& error) {
    const std::string all = error.message();
    if (!error.cause())
        return plain_cut(all, kMaxMessage);
    constexpr std::string_view kBecause = "\n  because: ";
    const std::size_t rest = kBecause.size() + error.cause()->message().size();
    return plain_cut(std::string_view(all).substr(0, all.size() - rest), kMaxMessage) + std::string(kBecause) +
           plain_message(*error.cause());
}

std::string advice_of(const Error& error) {
    std::string advice;
    for (const Error* one = &error; one; one = one->cause())
        advice += fmt::format("  {}{}\n", one == &error ? "" : "cause: ", one->todo());
    return advice;
}

bool wants_colour(int descriptor) {
    const char* no_colour = std::getenv("NO_COLOR");
    return ::isatty(descriptor) != 0 && (!no_colour || *no_colour == '\0');
}

} // namespace

Output::Output(const OutputOptions& options) : options_(options), coloured_(wants_colour(STDOUT_FILENO)) {}

void Output::text(std::string_view text) const {
    if (options_.quiet || options_.json_on_stdout())
        return;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void Output::error(const Error& error) const {
    const bool coloured = wants_colour(STDERR_FILENO);
    const std::string text = fmt::format("{}error:{} {}\n{}", coloured ? "\x1b[1;31m" : "", coloured ? "\x1b[0m" : "",
                                         plain_message(error), advice_of(error));
    std::fwrite(text.data(), 1, text.size(), stderr);
}

Result<void> Output::json(const Json& json) const {
    if (!options_.json)
        return {};
    // Names come from symbol files, in whatever encoding: what is no UTF-8 is replaced.
    const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    if (!options_.json_on_stdout())
        return write_file(options_.json_file, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        return fail(Error(Code::file_unwritable, "standard output"));
    return {};
}

std::string Output::styled(Style style, std::string_view text) const {
    constexpr std::string_view kCodes[] = {"", "1", "32", "31", "2"};
    const std::string_view code = kCodes[static_cast<std::size_t>(style)];
    return !coloured_ || code.empty() ? std::string(text) : fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Result<void> write_file(const std::string& path, ByteView bytes) {
    namespace fs = std::filesystem;
    const fs::path target(path);
    const fs::path temporary = target.parent_path() / fmt::format(".{}.{}.tmp", target.filename().string(), ::getpid());
    std::error_code problem;
    const auto failed = [&](std::string detail) {
        std::error_code ignored;
        fs::remove(temporary, ignored);
        return fail(Error(Code::file_unwritable, std::move(detail)).in_image(path));
    };
    if (fs::is_directory(target, problem))
        return fail(Error(Code::file_unwritable, "it is a folder").in_image(path));
    {
        std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
        file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        file.close();
        if (!file)
            return failed("it cannot be created or filled");
    }
    fs::rename(temporary, target, problem);
    if (problem)
        return failed(problem.message());
    return {};
}

Result<Bytes> read_file(const std::string& path, std::size_t limit) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
    if (size < 0)
        return fail(Error(Code::file_unreadable, "it cannot be opened").in_image(path));
    if (static_cast<std::uint64_t>(size) > limit)
        return fail(
            Error(Code::file_unreadable, fmt::format("{} bytes, at most {} are taken", size, limit)).in_image(path));
    Bytes bytes(static_cast<std::size_t>(size));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(bytes.data()), size);
    if (!file)
        return fail(Error(Code::file_unreadable, "it cannot be read to its end").in_image(path));
    return bytes;
}

std::string hex(std::uint64_t value) {
    return fmt::format("0x{:x}", value);
}

std::string hex(ByteView bytes) {
    return fmt::format("{:02x}", fmt::join(bytes.begin(), bytes.end(), " "));
}

std::string counted(std::size_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

Json json_of(const Error& error) {
    Json json = {{"code", text_of(error.code())}, {"detail", error.detail()}};
    if (!error.place().image.empty())
        json["image"] = error.place().image;
    if (error.place().rva)
        json["rva"] = error.place().rva->value;
    if (!error.place().function.empty())
        json["function"] = error.place().function;
    json["todo"] = error.todo();
    if (error.cause())
        json["cause"] = json_of(*error.cause());
    return json;
}

} // namespace suture::cli
