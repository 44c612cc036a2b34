#include "patchgen/cli/report.hpp"

#include <algorithm>
#include <set>

namespace suture::cli {

using diff::Change;
using diff::ChangeSet;
using diff::Verdict;
using Style = Output::Style;

namespace {

std::string where(const Change& change) {
    if (change.baseline_rva && change.updated_rva)
        return fmt::format("{} -> {}", hex(change.baseline_rva->value), hex(change.updated_rva->value));
    if (change.updated_rva)
        return fmt::format("-> {}", hex(change.updated_rva->value));
    return change.baseline_rva ? hex(change.baseline_rva->value) : "";
}

std::string how(const Change& change) {
    switch (change.verdict) {
    case Verdict::replaced:
        return fmt::format("replaced, {}", change.site ? isa::name_of(*change.site) : "no site");
    case Verdict::added:
        return "added";
    case Verdict::refused:
        return "refused";
    }
    return {};
}

std::string change_text(const Change& change, std::size_t width, const Output& output) {
    const Style style = change.verdict == Verdict::refused ? Style::bad : Style::good;
    // Padded before it is styled: escape sequences have no width.
    std::string text = fmt::format("  {}  {:<20}  {:>6} bytes  {}\n",
                                   output.styled(Style::bold, fmt::format("{:<{}}", change.name, width)), where(change),
                                   change.size, output.styled(style, how(change)));
    if (!change.why.empty())
        text += fmt::format("      {}\n", change.why);
    if (change.reason)
        text += fmt::format("      {}: {}\n", text_of(*change.reason),
                            change.detail.empty() ? std::string(info_of(*change.reason).what) : change.detail);
    return text;
}

std::string reasons_text(const std::vector<Error>& reasons, const Output& output) {
    std::string text;
    std::set<std::string_view> advised;
    for (const Error& reason : reasons) {
        text += fmt::format("{} {}\n", output.styled(Style::bad, "refused:"), reason.message());
        if (advised.insert(reason.todo()).second)
            text += fmt::format("  {}\n", reason.todo());
    }
    return text;
}

Json change_json(const Change& change) {
    const auto rva = [](const std::optional<Rva>& value) { return value ? Json(value->value) : Json(nullptr); };
    return {{"name", change.name},
            {"baseline_rva", rva(change.baseline_rva)},
            {"updated_rva", rva(change.updated_rva)},
            {"size", change.size},
            {"verdict", diff::name_of(change.verdict)},
            {"site", change.site ? Json(isa::name_of(*change.site)) : Json(nullptr)},
            {"reason", change.reason ? Json(text_of(*change.reason)) : Json(nullptr)},
            {"detail", change.reason ? change.detail : change.why},
            {"why", change.why}};
}

} // namespace

std::string proof_text(const prove::Proof& proof) {
    return fmt::format("{} and {} of data, of {} and {} of the baseline", counted(proof.references, "reference"),
                       counted(static_cast<std::size_t>(proof.data_bytes), "byte"),
                       counted(proof.emitted, "new function"), counted(proof.unchanged, "function"));
}

Json proof_json(const prove::Proof& proof) {
    return {{"replaced", proof.replaced},
            {"emitted", proof.emitted},
            {"unchanged", proof.unchanged},
            {"references", proof.references},
            {"data_bytes", proof.data_bytes}};
}

std::string report_text(const program::Program& baseline, const program::Program& updated, const ChangeSet& changes,
                        const Outcome& outcome, const Output& output) {
    const diff::Counts& counts = changes.counts;
    std::string text =
        fmt::format("{}  {}  {:08x} -> {:08x}  names from {} and {}\n", output.styled(Style::bold, baseline.path()),
                    name_of(baseline.image().machine()), baseline.image().time_date_stamp(),
                    updated.image().time_date_stamp(), baseline.symbol_source(), updated.symbol_source());
    text += fmt::format("{}: {} equal, {} changed, {} new, {} removed\n", counted(counts.baseline, "function"),
                        counts.equal, counts.changed, counts.added, counts.removed);
    std::size_t width = 0;
    for (const Change& change : changes.changes)
        width = std::max(width, std::min<std::size_t>(change.name.size(), 48));
    if (!changes.changes.empty())
        text += "\n";
    for (const Change& change : changes.changes)
        text += change_text(change, width, output);
    text += "\n";
    switch (outcome.kind) {
    case Outcome::Kind::no_change:
        return text + "no change: the images do the same\n";
    case Outcome::Kind::refused:
        return text + reasons_text(outcome.reasons, output) + "no package was written\n";
    case Outcome::Kind::package:
        break;
    }
    if (outcome.proof)
        text += fmt::format("proved: {}\n", proof_text(*outcome.proof));
    return text + fmt::format("{} {}: {}, {} redirected\n", output.styled(Style::good, "wrote"), outcome.package,
                              counted(outcome.bytes, "byte"),
                              counted(outcome.proof ? outcome.proof->replaced : 0, "function"));
}

Json report_json(const program::Program& baseline, const ChangeSet& changes, const Outcome& outcome) {
    constexpr std::string_view kResults[] = {"package", "no-change", "refused"};
    const diff::Counts& counts = changes.counts;
    Json json = {{"result", kResults[static_cast<std::size_t>(outcome.kind)]},
                 {"machine", name_of(baseline.image().machine())},
                 {"package", outcome.package.empty() ? Json(nullptr) : Json(outcome.package)},
                 {"bytes", outcome.bytes},
                 {"functions",
                  {{"baseline", counts.baseline},
                   {"updated", counts.updated},
                   {"matched", counts.matched},
                   {"equal", counts.equal},
                   {"changed", counts.changed},
                   {"new", counts.added},
                   {"removed", counts.removed}}}};
    json["changes"] = Json::array();
    for (const Change& change : changes.changes)
        json["changes"].push_back(change_json(change));
    json["reasons"] = Json::array();
    for (const Error& reason : outcome.reasons)
        json["reasons"].push_back(json_of(reason));
    json["proof"] = outcome.proof ? proof_json(*outcome.proof) : Json(nullptr);
    return json;
}

} // namespace suture::cli
