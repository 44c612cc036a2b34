#pragma once

#include "patchgen/cli/commands.hpp"
#include "patchgen/cli/progress.hpp"
#include "patchgen/program/program.hpp"

namespace suture::cli {

/// The two programs of a command.
struct LoadedPair {
    std::unique_ptr<const program::Program> baseline;
    std::unique_ptr<const program::Program> updated;
};

/// Reads one image, and logs what its sources disagree on. Errors: those of Program::load.
Result<std::unique_ptr<const program::Program>> load_image(const std::string& path, const std::string& symbols,
                                                           bool no_symbols, Progress& progress);
/// Reads both at the same time. Errors: those of Program::load, the baseline's first.
Result<LoadedPair> load_pair(const ImagePair& images, Progress& progress);

} // namespace suture::cli
