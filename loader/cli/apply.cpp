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
    Answer answer = answer_of(options.pid, operate(options.pid, [&](target::Target& target) {
                                  return patch::apply(target, packages, options.patch);
                              }));
    answer.text.insert(0, origins);
    answer.json["packages"] = std::move(json);
    return answer;
}

} // namespace suture::cli
