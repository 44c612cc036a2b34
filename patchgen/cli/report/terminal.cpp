#include "patchgen/cli/report/terminal.hpp"

#include "patchgen/cli/plain_text.hpp"

#include <algorithm>
#include <filesystem>

namespace suture::cli {

namespace {

using diff::Change;
using diff::Verdict;
using Style = Output::Style;

/// Functions of one verdict, and cases of one reason, that are shown without --verbose.
constexpr std::size_t kMaxFunctions = 20;
constexpr std::size_t kMaxCases = 8;
constexpr std::size_t kMaxNameWidth = 44;

/// "1,234,567"
std::string grouped(std::size_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3; at -= 3)
        text.insert(at - 3, ",");
    return text;
}

/// Columns that a name takes: characters, of which none is hidden.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

std::string padded(std::string text, std::size_t width) {
    const std::size_t own = width_of(text);
    return own < width ? text + std::string(width - own, ' ') : text;
}

std::string file_name(const std::string& path) {
    return plain(std::filesystem::path(path).filename().string());
}

class Text {
  public:
    Text(const Report& report, const Output& output) : report_(report), output_(output) {}

    std::string run() {
        head();
        for (const Verdict verdict : {Verdict::replaced, Verdict::added, Verdict::refused})
            functions(verdict);
        if (report_.outcome.kind == Outcome::Kind::package)
            redirects();
        allowed();
        reasons();
        result();
        return std::move(text_);
    }

  private:
    std::string styled(Style style, std::string_view text) const { return output_.styled(style, text); }
    std::string dim(std::string_view text) const { return styled(Style::dim, text); }

    void head() {
        const diff::Counts& counts = report_.counts;
        const auto names = [](std::string_view source) { return source == "image" ? "no symbols" : source; };
        const std::string old_names(names(report_.baseline.symbol_source));
        const std::string new_names(names(report_.updated.symbol_source));
        text_ +=
            fmt::format("{}  {}  {:08x} -> {:08x}  {}\n", styled(Style::bold, file_name(report_.baseline.path)),
                        name_of(report_.machine), report_.baseline.time_date_stamp, report_.updated.time_date_stamp,
                        dim(old_names == new_names ? old_names : old_names + " -> " + new_names));
        text_ +=
            fmt::format("{} functions: {} equal, {} changed, {} new, {} removed\n", grouped(counts.updated),
                        grouped(counts.equal), grouped(counts.changed), grouped(counts.added), grouped(counts.removed));
    }

    void functions(Verdict verdict) {
        std::vector<const ReportedChange*> chosen;
        for (const ReportedChange& change : report_.changes)
            if (change.change.verdict == verdict)
                chosen.push_back(&change);
        if (chosen.empty())
            return;
        const std::size_t shown = output_.options().verbose ? chosen.size() : std::min(chosen.size(), kMaxFunctions);
        std::size_t width = 0;
        for (std::size_t i = 0; i < shown; ++i)
            width = std::max(width, std::min(width_of(plain(chosen[i]->change.name)), kMaxNameWidth));
        constexpr std::string_view kHeads[] = {"changed", "new", "cannot be patched"};
        text_ += fmt::format(
            "\n{} {}\n",
            styled(verdict == Verdict::refused ? Style::bad : Style::bold, kHeads[static_cast<std::size_t>(verdict)]),
            dim(fmt::format("({})", chosen.size())));
        for (std::size_t i = 0; i < shown; ++i)
            function(*chosen[i], width);
        if (shown < chosen.size())
            text_ += dim(fmt::format("  and {} more: -v shows all\n", chosen.size() - shown));
    }

    void function(const ReportedChange& reported, std::size_t width) {
        const Change& change = reported.change;
        const auto rva = [](const std::optional<Rva>& value) { return value ? hex(value->value) : std::string("-"); };
        const std::string where = fmt::format("{:>9} -> {:<9}", rva(change.baseline_rva), rva(change.updated_rva));
        const std::string size = reported.baseline_size == 0 || reported.baseline_size == change.size
                                     ? fmt::format("{} bytes", change.size)
                                     : fmt::format("{} -> {} bytes", reported.baseline_size, change.size);
        std::string how;
        if (change.verdict == Verdict::refused)
            how = styled(Style::bad, change.reason ? text_of(*change.reason) : "refused");
        else if (change.site)
            how = styled(Style::good, isa::name_of(*change.site));
        else if (change.verdict == Verdict::replaced)
            how = dim("with its function");
        text_ += fmt::format("  {}  {}  {:<20}  {}\n", styled(Style::bold, padded(plain(change.name), width)), where,
                             size, how);
        if (!change.why.empty() && change.why != "new")
            text_ += fmt::format("      {}\n", plain(change.why));
        for (const std::string& fact : reported.facts)
            text_ += fmt::format("      {}\n", plain(fact));
        if (change.reason)
            text_ += fmt::format("      {}\n",
                                 styled(Style::bad, plain(change.detail.empty() ? info_of(*change.reason).what
                                                                                : std::string_view(change.detail))));
    }

    void redirects() {
        std::map<isa::SiteKind, std::size_t> sites;
        for (const ReportedChange& change : report_.changes)
            if (change.change.site)
                ++sites[*change.change.site];
        text_ += fmt::format("\n{}\n", styled(Style::bold, "redirected by"));
        for (const auto& [kind, count] : sites)
            text_ += fmt::format("  {:<14} {:>5}  {}\n", isa::name_of(kind), count, dim(explain(kind)));
    }

    void allowed() {
        if (report_.allowed.empty())
            return;
        text_ += fmt::format("\n{} {}\n", styled(Style::bold, "allowed:"),
                             "variables that start with another value; the process keeps the one it has");
        for (const Error& error : report_.allowed)
            one_case(error);
    }

    void reasons() {
        std::vector<std::pair<Code, std::vector<const Error*>>> by_code; // in the order of the first case
        for (const Error& reason : report_.outcome.reasons) {
            auto found = std::ranges::find(by_code, reason.code(), [](const auto& entry) { return entry.first; });
            if (found == by_code.end())
                found = by_code.insert(by_code.end(), {reason.code(), {}});
            found->second.push_back(&reason);
        }
        for (const auto& [code, cases] : by_code) {
            const CodeInfo& info = info_of(code);
            text_ += fmt::format("\n{} {}{}\n", styled(Style::bad, fmt::format("refused: {}:", info.text)), info.what,
                                 cases.size() > 1 ? dim(fmt::format(" ({} times)", cases.size())) : "");
            const std::size_t shown = output_.options().verbose ? cases.size() : std::min(cases.size(), kMaxCases);
            for (std::size_t i = 0; i < shown; ++i)
                one_case(*cases[i]);
            if (shown < cases.size())
                text_ += dim(fmt::format("  and {} more: -v shows all\n", cases.size() - shown));
            text_ += fmt::format("  {} {}\n", styled(Style::bold, "what to do:"), info.todo);
        }
    }

    void one_case(const Error& error) {
        const Place& place = error.place();
        // The particulars of data begin with its name.
        std::string where = error.detail().starts_with(place.function + ":") ? "" : plain(place.function);
        if (place.rva)
            where += fmt::format("{}+{}", where.empty() ? "" : ", ", hex(place.rva->value));
        const std::string separator = where.empty() || error.detail().empty() ? "" : ": ";
        if (!where.empty() || !error.detail().empty())
            text_ += fmt::format("  {}{}{}\n", styled(Style::bold, where), separator, plain(error.detail()));
        for (const Error* cause = error.cause(); cause; cause = cause->cause())
            text_ += fmt::format("    because {}: {}: {}\n", text_of(cause->code()), info_of(cause->code()).what,
                                 plain(cause->detail()));
    }

    void result() {
        const Outcome& outcome = report_.outcome;
        text_ += "\n";
        if (outcome.proof)
            text_ += fmt::format("{} {}\n", styled(Style::good, "proved"), proof_text(*outcome.proof));
        switch (outcome.kind) {
        case Outcome::Kind::no_change:
            text_ += fmt::format("{} the images do the same; nothing was written\n", styled(Style::bold, "no change:"));
            return;
        case Outcome::Kind::refused:
            text_ += fmt::format("{} {} for {}; no package was written\n", styled(Style::bad, "cannot be hotpatched:"),
                                 counted(outcome.reasons.size(), "reason"),
                                 counted(report_.changes.size(), "changed function"));
            return;
        case Outcome::Kind::package:
            break;
        }
        text_ += fmt::format("{} {}, {} bytes, {} redirected\n", styled(Style::good, "wrote"), plain(outcome.package),
                             grouped(outcome.bytes), counted(outcome.proof ? outcome.proof->replaced : 0, "function"));
    }

    const Report& report_;
    const Output& output_;
    std::string text_;
};

} // namespace

std::string report_text(const Report& report, const Output& output) {
    return Text(report, output).run();
}

} // namespace suture::cli
