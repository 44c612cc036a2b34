#include "engine/package/limits.hpp"
#include "patchgen/cli/commands.hpp"
#include "patchgen/cli/images.hpp"
#include "patchgen/cli/plain_text.hpp"
#include "patchgen/cli/report/json.hpp"

namespace suture::cli {

namespace {

Result<prove::Proof> run_proof(const ProveOptions& options, const Output& output) {
    Progress progress(!output.options().quiet);
    SUTURE_TRY(const Bytes package, read_file(options.package, package::kMaxFileSize));
    SUTURE_TRY(const LoadedPair pair, load_pair(options.images, progress));
    progress.begin(Phase::prove, "proving");
    return prove::prove(*pair.baseline, *pair.updated, package, options.data_changes);
}

} // namespace

int prove(const ProveOptions& options, const Output& output) {
    const auto proof = run_proof(options, output);
    if (!proof) {
        const bool refuted = proof.error().code() == Code::proof_failed;
        if (!refuted)
            return report_error(proof.error(), output);
        output.error(proof.error());
        if (auto written = output.json({{"result", "refuted"}, {"error", json_of(proof.error())}}); !written)
            output.error(written.error());
        return exit_refused;
    }
    output.text(fmt::format("{} {}: {}, {} redirected\n", output.styled(Output::Style::good, "proved"),
                            plain(options.package), proof_text(*proof), counted(proof->replaced, "function")));
    if (auto written = output.json({{"result", "proved"}, {"proof", proof_json(*proof)}}); !written)
        return report_error(written.error(), output);
    return exit_done;
}

} // namespace suture::cli
