#include "patchgen/program/parse.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace suture::program {

namespace {

/// Largest file that is read, in bytes: images are below 2 GiB, and PDBs of the largest programs below 4 GiB.
constexpr std::uintmax_t kMaxFile = std::uintmax_t{4} << 30;

Result<Bytes> read_file(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        return fail(Error(Code::file_unreadable, error ? error.message() : "not a file").in_image(path));
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error)
        return fail(Error(Code::file_unreadable, error.message()).in_image(path));
    if (size > kMaxFile)
        return fail(
            Error(Code::file_unreadable, fmt::format("{} bytes, at most {} are read", size, kMaxFile)).in_image(path));
    std::ifstream stream(path, std::ios::binary);
    Bytes bytes(static_cast<std::size_t>(size));
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    if (!stream)
        return fail(Error(Code::file_unreadable, std::strerror(errno)).in_image(path));
    return bytes;
}

bool is_file(const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::is_regular_file(path, error);
}

/// The PDB that the image names, where it lies beside the image; or one with the image's own name, as a renamed image
/// has it, where it belongs to the image. Empty: none.
Result<std::string> pdb_beside(const std::string& path, const Bytes& file) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    if (!image)
        return std::string();
    const auto debug = pe::debug_info_of(*image);
    if (!debug || !debug->has_pdb)
        return std::string();
    const auto folder = std::filesystem::path(path).parent_path();
    const auto name = debug->pdb_path.substr(debug->pdb_path.find_last_of("/\\") + 1);
    if (!name.empty() && name != "." && name != ".." && is_file(folder / name))
        return (folder / name).string();
    const auto renamed = std::filesystem::path(path).replace_extension(".pdb");
    return is_file(renamed) ? renamed.string() : std::string();
}

} // namespace

Result<std::unique_ptr<const Program>> Program::load(const std::string& path, const Options& options) {
    Input input{.path = path, .file = {}, .symbols = {}, .use_symbols = options.use_symbols};
    SUTURE_TRY(input.file, read_file(path));
    std::string symbols = options.symbols;
    if (symbols.empty() && options.use_symbols) {
        SUTURE_TRY(symbols, pdb_beside(path, input.file));
    }
    if (!symbols.empty() && options.use_symbols) {
        SUTURE_TRY(input.symbols, read_file(symbols));
    }
    auto program = parse(std::move(input));
    if (!program) {
        const auto code = program.error().code();
        const bool of_symbols =
            code == Code::symbols_mismatch || code == Code::symbols_unreadable || code == Code::symbols_unsupported;
        program.error().in_image(of_symbols && !symbols.empty() ? symbols : path);
    }
    return program;
}

} // namespace suture::program
