#include "loader/cli/commands.hpp"
#include "loader/cli/operation.hpp"
#include "loader/cli/report.hpp"

namespace suture::cli {

Answer apply(const ApplyOptions& options) {
    const auto loaded = load_packages(options.packages, options.trust);
    if (!loaded)
        return answer_of(options.pid, std::unexpected(loaded.error()));
    std::string origins;
    Json json = Json::array();
    std::vector<package::Package> packages;
    for (const LoadedPackage& one : *loaded) {
        origins += origin_text(one);
        json.push_back(origin_json(one));
        packages.push_back(one.package);
    }
    std::optional<Observation> seen;
    const auto operation = [&](target::Target& target) -> Result<patch::Report> {
        if (options.observation)
            SUTURE_CHECK(check_probe(options.pid, *options.observation));
        SUTURE_TRY(patch::Report report, patch::apply(target, packages, options.patch));
        if (options.observation)
            seen = observe(target, report, *options.observation, options.patch);
        return report;
    };
    Answer answer = answer_of(options.pid, operate(options.pid, operation));
    if (seen) {
        answer.text += observation_text(*seen);
        answer.json["observation"] = observation_json(*seen);
        answer.error = seen->error;
    }
    answer.text.insert(0, origins);
    answer.json["packages"] = std::move(json);
    return answer;
}

} // namespace suture::cli
