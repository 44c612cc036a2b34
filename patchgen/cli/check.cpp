#include "patchgen/cli/commands.hpp"
#include "patchgen/cli/images.hpp"
#include "patchgen/cli/plain_text.hpp"
#include "patchgen/diff/sites.hpp"

#include <algorithm>

namespace suture::cli {

namespace {

using program::Function;
using program::Program;

/// Bytes of the particulars of a refusal that are shown; they may name other functions.
constexpr std::size_t kMaxDetail = 400;

struct Refused {
    const Function* function;
    std::string code;
    std::string detail;
};

struct Findings {
    std::map<isa::SiteKind, std::size_t> sites;
    std::vector<Refused> refused; ///< ascending
    std::size_t redirectable = 0;
    std::size_t without_stop = 0; ///< of these
};

Findings examine(const Program& program, const isa::Isa& isa) {
    Findings findings;
    std::vector<const Function*> functions;
    for (const Function& function : program.functions())
        if (function.decoded)
            functions.push_back(&function);
    const auto sites = diff::choose_sites(program, functions, isa);
    for (const Function& function : program.functions()) {
        if (!function.decoded) {
            findings.refused.push_back({&function, std::string(text_of(Code::not_decoded)), function.undecoded});
            continue;
        }
        const auto& site = sites.at(function.range.begin);
        if (site) {
            ++findings.sites[site->kind];
            ++findings.redirectable;
            const auto entry = program.image().bytes_at(function.range.begin, site->original_size());
            findings.without_stop += entry && isa.needs_no_stop(*site, *entry);
        } else {
            findings.refused.push_back({&function, std::string(text_of(site.error().code())), site.error().detail()});
        }
    }
    return findings;
}

std::string text_of_findings(const Program& program, const Findings& findings, const Output& output) {
    const std::size_t total = program.functions().size();
    std::string text =
        fmt::format("{}  {}  names from {}\n{} of {} can be redirected{}\n",
                    output.styled(Output::Style::bold, plain(program.path())), name_of(program.image().machine()),
                    program.symbol_source(), findings.redirectable, counted(total, "function"),
                    total ? fmt::format(" ({:.1f} %)",
                                        100.0 * static_cast<double>(findings.redirectable) / static_cast<double>(total))
                          : "");
    for (const auto& [kind, count] : findings.sites)
        text += fmt::format("  {:<14} {:>8}\n", isa::name_of(kind), count);
    if (findings.redirectable != 0)
        text += fmt::format("  {} of them without a stop\n", findings.without_stop);
    if (!findings.refused.empty())
        text += fmt::format("  {:<14} {:>8}\n", output.styled(Output::Style::bad, fmt::format("{:<14}", "refused")),
                            findings.refused.size());
    const std::size_t shown =
        output.options().verbose ? findings.refused.size() : std::min<std::size_t>(findings.refused.size(), 10);
    for (std::size_t i = 0; i < shown; ++i) {
        const Refused& refused = findings.refused[i];
        text += fmt::format("  {:<10} {}: {}: {}\n", hex(refused.function->range.begin.value),
                            plain_cut(refused.function->display_name()), refused.code,
                            plain_cut(refused.detail, kMaxDetail));
    }
    if (shown < findings.refused.size())
        text += fmt::format("  and {} more: -v shows all\n", findings.refused.size() - shown);
    return text;
}

Json json_of_findings(const Program& program, const Findings& findings) {
    Json json = {{"machine", name_of(program.image().machine())},
                 {"functions", program.functions().size()},
                 {"redirectable", findings.redirectable},
                 {"without_stop", findings.without_stop},
                 {"sites", Json::object()},
                 {"refused", Json::array()}};
    for (const auto& [kind, count] : findings.sites)
        json["sites"][std::string(isa::name_of(kind))] = count;
    for (const Refused& refused : findings.refused)
        json["refused"].push_back({{"rva", refused.function->range.begin.value},
                                   {"name", refused.function->display_name()},
                                   {"reason", refused.code},
                                   {"detail", refused.detail}});
    return json;
}

} // namespace

int check(const CheckOptions& options, const Output& output) {
    auto progress = std::make_unique<Progress>(!output.options().quiet);
    const auto program = load_image(options.image, options.symbols, options.no_symbols, *progress);
    if (!program)
        return progress.reset(), report_error(program.error(), output);
    const isa::Isa* isa = isa::isa_for((*program)->image().machine());
    if (!isa)
        return progress.reset(),
               report_error(Error(Code::pe_machine_unsupported, std::string(name_of((*program)->image().machine())))
                                .in_image(options.image),
                            output);
    progress->begin(Phase::compare, "looking for redirect sites");
    const Findings findings = examine(**program, *isa);
    progress.reset();
    output.text(text_of_findings(**program, findings, output));
    if (auto written = output.json(json_of_findings(**program, findings)); !written)
        return report_error(written.error(), output);
    return exit_done;
}

} // namespace suture::cli
