#include "patchgen/cli/report/json.hpp"

namespace suture::cli {

namespace {

Json image_json(const ReportedImage& image) {
    return {{"path", image.path},          {"time_date_stamp", image.time_date_stamp},
            {"checksum", image.checksum},  {"size_of_image", image.size_of_image},
            {"bytes", image.file_size},    {"pdb", image.pdb.empty() ? Json(nullptr) : Json(image.pdb)},
            {"names", image.symbol_source}};
}

Json change_json(const ReportedChange& reported) {
    const diff::Change& change = reported.change;
    const auto rva = [](const std::optional<Rva>& value) { return value ? Json(value->value) : Json(nullptr); };
    return {{"name", change.name},
            {"baseline_rva", rva(change.baseline_rva)},
            {"updated_rva", rva(change.updated_rva)},
            {"size", change.size},
            {"baseline_size", reported.baseline_size},
            {"verdict", diff::name_of(change.verdict)},
            {"site", change.site ? Json(isa::name_of(*change.site)) : Json(nullptr)},
            {"reason", change.reason ? Json(text_of(*change.reason)) : Json(nullptr)},
            {"detail", change.reason ? change.detail : change.why},
            {"why", change.why},
            {"facts", reported.facts}};
}

} // namespace

Json proof_json(const prove::Proof& proof) {
    return {{"replaced", proof.replaced},     {"emitted", proof.emitted},       {"unchanged", proof.unchanged},
            {"references", proof.references}, {"data_bytes", proof.data_bytes}, {"allowed", proof.allowed}};
}

Json report_json(const Report& report) {
    const Outcome& outcome = report.outcome;
    const diff::Counts& counts = report.counts;
    Json json = {{"result", name_of(outcome.kind)},
                 {"machine", name_of(report.machine)},
                 {"package", outcome.package.empty() ? Json(nullptr) : Json(outcome.package)},
                 {"bytes", outcome.bytes},
                 {"functions",
                  {{"baseline", counts.baseline},
                   {"updated", counts.updated},
                   {"matched", counts.matched},
                   {"equal", counts.equal},
                   {"changed", counts.changed},
                   {"new", counts.added},
                   {"removed", counts.removed}}},
                 {"images", {{"baseline", image_json(report.baseline)}, {"updated", image_json(report.updated)}}}};
    json["changes"] = Json::array();
    for (const ReportedChange& change : report.changes)
        json["changes"].push_back(change_json(change));
    json["reasons"] = Json::array();
    for (const Error& reason : outcome.reasons)
        json["reasons"].push_back(json_of(reason));
    json["allowed"] = Json::array();
    for (const Error& allowed : report.allowed)
        json["allowed"].push_back(json_of(allowed));
    json["conflicts"] = Json::array();
    for (const auto& [image, conflict] : report.conflicts)
        json["conflicts"].push_back({{"image", image}, {"rva", conflict.at.value}, {"detail", conflict.detail}});
    json["proof"] = outcome.proof ? proof_json(*outcome.proof) : Json(nullptr);
    return json;
}

} // namespace suture::cli
