#include "patchgen/cli/images.hpp"

#include <spdlog/spdlog.h>

namespace suture::cli {

Result<std::unique_ptr<const program::Program>> load_image(const std::string& path, const std::string& symbols,
                                                           bool no_symbols, Phase phase, Progress& progress) {
    progress.begin(phase, "reading " + path);
    SUTURE_TRY(auto program, program::Program::load(path, {symbols, !no_symbols}));
    spdlog::debug("{}: {} functions, names from {}", path, program->functions().size(), program->symbol_source());
    for (const program::Conflict& conflict : program->conflicts())
        spdlog::debug("{}+0x{:x}: {}", path, conflict.at.value, conflict.detail);
    return program;
}

Result<LoadedPair> load_pair(const ImagePair& images, Progress& progress) {
    LoadedPair pair;
    SUTURE_TRY(pair.baseline,
               load_image(images.baseline, images.baseline_symbols, images.no_symbols, Phase::read_baseline, progress));
    SUTURE_TRY(pair.updated,
               load_image(images.updated, images.updated_symbols, images.no_symbols, Phase::read_updated, progress));
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
