#include "patchgen/cli/commands.hpp"
#include "patchgen/cli/html/page.hpp"
#include "patchgen/cli/images.hpp"
#include "patchgen/cli/report/json.hpp"
#include "patchgen/cli/report/terminal.hpp"
#include "patchgen/emit/emit.hpp"

#include <algorithm>
#include <filesystem>

namespace suture::cli {

namespace {

namespace fs = std::filesystem;

std::string default_package(const std::string& baseline) {
    const fs::path path(baseline);
    return path.stem().string() + "_hotpatch" + path.extension().string();
}

/// The package's bytes, proved. One without a function proves that nothing has changed. Errors: reasons to refuse.
Result<Bytes> make_package(const LoadedPair& pair, const diff::ChangeSet& changes, const CreateOptions& options,
                           Outcome& outcome, Progress& progress) {
    progress.begin(Phase::emit, "laying out the package");
    SUTURE_TRY(const package::Contents contents,
               emit::emit(*pair.baseline, *pair.updated, changes, {options.id, options.sequence, {}}));
    SUTURE_TRY(Bytes bytes, package::write_package(contents));
    progress.begin(Phase::prove, changes.no_change() ? "proving that nothing has changed" : "proving the package");
    auto proof = prove::prove(*pair.baseline, *pair.updated, bytes, options.data_changes, changes.matches);
    // Nothing has to be understood of two files that are one.
    const bool same = changes.no_change() && std::ranges::equal(pair.baseline->file(), pair.updated->file());
    if (proof)
        outcome.proof = *proof;
    else if (!same)
        return fail(std::move(proof).error());
    return bytes;
}

bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return fs::equivalent(a, b, ignored);
}

Error not_allowed(const program::Program& updated, const std::string& name) {
    const std::string_view why =
        program::data_called(updated, name)
            ? "its initial value is the baseline's, or another change speaks against a hotpatch"
            : "no variable is called that, or several are, which +0xRVA tells apart";
    return Error(Code::data_not_changed, fmt::format("{}: {}", name, why)).in_image(updated.path());
}

Result<void> write_page(const std::string& path, const Report& report, const LoadedPair& pair,
                        const diff::ChangeSet& changes) {
    const std::string page = page_of(report, *pair.baseline, *pair.updated, changes);
    return write_file(path, {reinterpret_cast<const std::uint8_t*>(page.data()), page.size()});
}

int finish(const LoadedPair& pair, const diff::ChangeSet& changes, Outcome outcome, const CreateOptions& options,
           const Output& output) {
    const Report report = make_report(*pair.baseline, *pair.updated, changes, std::move(outcome));
    output.text(report_text(report, output));
    Result<void> written = output.json(report_json(report));
    if (written && !options.html.empty())
        written = write_page(options.html, report, pair, changes);
    if (!written) {
        output.error(written.error());
        return exit_bad_input;
    }
    switch (report.outcome.kind) {
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
        for (const std::string& written : {path, options.html})
            if (same_file(written, input))
                return report_error(
                    Error(Code::file_unwritable, "it is one of the images to compare").in_image(written), output,
                    exit_usage);
    Outcome outcome;
    auto progress = std::make_unique<Progress>(!output.options().quiet);
    const auto pair = load_pair(options.images, *progress);
    if (!pair)
        return progress.reset(), report_error(pair.error(), output);
    progress->begin(Phase::compare, "matching and comparing functions");
    const diff::ChangeSet changes = diff::compare(*pair->baseline, *pair->updated, {options.data_changes});
    if (!changes.not_allowed.empty())
        return progress.reset(), report_error(not_allowed(*pair->updated, changes.not_allowed.front()), output);
    if (!changes.refusals.empty()) {
        outcome.kind = Outcome::Kind::refused;
        outcome.reasons = changes.refusals;
    } else {
        auto bytes = make_package(*pair, changes, options, outcome, *progress);
        if (bytes && changes.no_change()) {
            outcome.kind = Outcome::Kind::no_change;
        } else if (bytes) {
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
    return finish(*pair, changes, std::move(outcome), options, output);
}

} // namespace suture::cli
