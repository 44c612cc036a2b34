#include "patchgen/cli/commands.hpp"
#include "patchgen/cli/images.hpp"
#include "patchgen/cli/report.hpp"
#include "patchgen/emit/emit.hpp"

#include <filesystem>

namespace suture::cli {

namespace {

namespace fs = std::filesystem;

std::string default_package(const std::string& baseline) {
    const fs::path path(baseline);
    return path.stem().string() + "_hotpatch" + path.extension().string();
}

/// The package's bytes, proved. Errors: reasons to refuse.
Result<Bytes> make_package(const LoadedPair& pair, const diff::ChangeSet& changes, const CreateOptions& options,
                           Outcome& outcome, Progress& progress) {
    progress.stage("laying out the package");
    SUTURE_TRY(const package::Contents contents,
               emit::emit(*pair.baseline, *pair.updated, changes, {options.id, options.sequence, {}}));
    SUTURE_TRY(Bytes bytes, package::write_package(contents));
    progress.stage("proving the package");
    SUTURE_TRY(outcome.proof, prove::prove(*pair.baseline, *pair.updated, bytes));
    return bytes;
}

bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return fs::equivalent(a, b, ignored);
}

int finish(const LoadedPair& pair, const diff::ChangeSet& changes, const Outcome& outcome, const Output& output) {
    output.text(report_text(*pair.baseline, *pair.updated, changes, outcome, output));
    if (auto written = output.json(report_json(*pair.baseline, changes, outcome)); !written) {
        output.error(written.error());
        return exit_bad_input;
    }
    switch (outcome.kind) {
    case Outcome::Kind::package:
        return exit_done;
    case Outcome::Kind::no_change:
        return exit_no_change;
    case Outcome::Kind::refused:
        break;
    }
    return exit_refused;
}

} // namespace

int create(const CreateOptions& options, const Output& output) {
    const std::string path = options.package.empty() ? default_package(options.images.baseline) : options.package;
    for (const std::string& input : {options.images.baseline, options.images.updated})
        if (same_file(path, input))
            return report_error(Error(Code::file_unwritable, "it is one of the images to compare").in_image(path),
                                output, exit_usage);
    Outcome outcome;
    auto progress = std::make_unique<Progress>(!output.options().quiet);
    const auto pair = load_pair(options.images, *progress);
    if (!pair)
        return progress.reset(), report_error(pair.error(), output);
    progress->stage("comparing");
    const diff::ChangeSet changes = diff::compare(*pair->baseline, *pair->updated);
    if (!changes.refusals.empty()) {
        outcome.kind = Outcome::Kind::refused;
        outcome.reasons = changes.refusals;
    } else if (!changes.no_change()) {
        auto bytes = make_package(*pair, changes, options, outcome, *progress);
        if (bytes) {
            if (auto written = write_file(path, *bytes); !written)
                return progress.reset(), report_error(written.error(), output);
            outcome.kind = Outcome::Kind::package;
            outcome.package = path;
            outcome.bytes = bytes->size();
        } else {
            outcome.kind = Outcome::Kind::refused;
            outcome.reasons.push_back(std::move(bytes).error());
        }
    }
    progress.reset();
    return finish(*pair, changes, outcome, output);
}

} // namespace suture::cli
