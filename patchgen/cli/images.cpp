#include "patchgen/cli/images.hpp"

#include <spdlog/spdlog.h>

#include <future>

namespace suture::cli {

namespace {

void log_program(const program::Program& program) {
    spdlog::debug("{}: {} functions, names from {}", program.path(), program.functions().size(),
                  program.symbol_source());
    for (const program::Conflict& conflict : program.conflicts())
        spdlog::debug("{}+0x{:x}: {}", program.path(), conflict.at.value, conflict.detail);
}

} // namespace

Result<std::unique_ptr<const program::Program>> load_image(const std::string& path, const std::string& symbols,
                                                           bool no_symbols, Progress& progress) {
    progress.begin(Phase::read, "reading " + path);
    SUTURE_TRY(auto program, program::Program::load(path, {symbols, !no_symbols}));
    log_program(*program);
    return program;
}

Result<LoadedPair> load_pair(const ImagePair& images, Progress& progress) {
    progress.begin(Phase::read, "reading " + images.baseline + " and " + images.updated);
    auto updated = std::async(std::launch::async, [&] {
        return program::Program::load(images.updated, {images.updated_symbols, !images.no_symbols});
    });
    LoadedPair pair;
    SUTURE_TRY(pair.baseline, program::Program::load(images.baseline, {images.baseline_symbols, !images.no_symbols}));
    SUTURE_TRY(pair.updated, updated.get());
    log_program(*pair.baseline);
    log_program(*pair.updated);
    return pair;
}

int report_error(const Error& error, const Output& output, int code) {
    output.error(error);
    if (auto written = output.json({{"error", json_of(error)}}); !written) {
        output.error(written.error());
        return exit_bad_input;
    }
    return code;
}

} // namespace suture::cli
