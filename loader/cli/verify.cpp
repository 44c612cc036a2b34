#include "engine/isa/isa.hpp"
#include "loader/cli/commands.hpp"

#include <fmt/format.h>

namespace suture::cli {

Answer verify(const VerifyOptions& options) {
    Answer answer;
    answer.json = {{"package", options.package}};
    const auto loaded = load_packages(std::span(&options.package, 1), options.trust);
    if (!loaded) {
        answer.error = loaded.error();
        return answer;
    }
    const LoadedPackage& package = loaded->front();
    const package::Manifest& manifest = package.package.manifest();
    answer.text = origin_text(package) + fmt::format("{} is whole: \"{}\", sequence {} for {} ({}), {} replaced.\n",
                                                     package.path, manifest.id, manifest.sequence, manifest.module,
                                                     suture::name_of(manifest.machine),
                                                     counted(manifest.functions.size(), "function"));
    const Json origin = origin_json(package);
    answer.json["signed"] = origin["signed"];
    answer.json["signer"] = origin["signer"];
    answer.json.update({{"id", manifest.id},
                        {"sequence", manifest.sequence},
                        {"min_sequence", manifest.min_sequence},
                        {"module", manifest.module},
                        {"machine", suture::name_of(manifest.machine)},
                        {"digest", package.package.digest().hex()}});
    Json functions = Json::array();
    for (const package::Replacement& function : manifest.functions)
        functions.push_back({{"name", function.name},
                             {"baseline_rva", function.baseline.value},
                             {"baseline_size", function.baseline_size},
                             {"site", isa::name_of(function.site.kind)}});
    answer.json["functions"] = std::move(functions);
    return answer;
}

} // namespace suture::cli
