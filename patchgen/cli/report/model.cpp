#include "patchgen/cli/report/model.hpp"

#include "patchgen/cli/disassembly/program_code.hpp"
#include "patchgen/cli/output.hpp"

#include <algorithm>
#include <set>

namespace suture::cli {

namespace {

using program::Function;

/// Most facts of one kind that are told of a function.
constexpr std::size_t kMaxFacts = 4;
/// Functions whose first different instruction is told: more are not read, and disassembly takes time.
constexpr std::size_t kMaxInstructions = 256;

ReportedImage image_of(const program::Program& program) {
    const pe::Image& image = program.image();
    ReportedImage result{program.path(),         image.time_date_stamp(), image.checksum(),
                         image.size_of_image(),  program.file().size(),   {},
                         program.symbol_source()};
    if (const auto& debug = program.debug(); debug.has_pdb)
        result.pdb = fmt::format("{:02x}/{}", fmt::join(debug.guid, ""), debug.age);
    return result;
}

/// What a function refers to outside of itself: by key, what people call it.
struct Mentions {
    std::map<std::string, std::string> strings;
    std::map<std::string, std::string> functions; ///< and imports
};

Mentions mentions_of(const Names& names, const Function& function) {
    Mentions mentions;
    const program::Program& program = names.program();
    for (const program::Reference& reference : function.references) {
        const Rva target = reference.target;
        if (function.range.contains(target) || reference.kind == program::ReferenceKind::arm64_page21)
            continue;
        const Function* other = program.function_at(target);
        if ((other && other->range.begin == target) || program.import_at(target))
            mentions.functions.emplace(names.key(target, 0), names.of(target));
        else if (reference.use == program::Use::address && !other)
            if (const auto text = names.string_at(target))
                mentions.strings.emplace(*text, *text);
    }
    return mentions;
}

std::vector<std::string> missing(const std::map<std::string, std::string>& from,
                                 const std::map<std::string, std::string>& in) {
    std::vector<std::string> names;
    for (const auto& [key, name] : from)
        if (!in.contains(key))
            names.push_back(name);
    return names;
}

void tell(std::vector<std::string>& facts, std::string_view what, const std::vector<std::string>& names) {
    if (names.empty())
        return;
    const std::size_t shown = std::min(names.size(), kMaxFacts);
    std::string fact =
        fmt::format("{} {}", what, fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
    if (shown < names.size())
        fact += fmt::format(" and {} more", names.size() - shown);
    facts.push_back(std::move(fact));
}

/// `told` is what is told of the function already.
void add_facts(std::vector<std::string>& facts, const Mentions& before, const Mentions& after, std::string_view told) {
    const auto new_strings = missing(after.strings, before.strings);
    const auto old_strings = missing(before.strings, after.strings);
    if (new_strings.size() == 1 && old_strings.size() == 1) {
        if (told.find("string ") == std::string_view::npos && told.find(new_strings[0]) == std::string_view::npos)
            facts.push_back(fmt::format("string {} was {}", new_strings[0], old_strings[0]));
    } else {
        tell(facts, new_strings.size() == 1 ? "new string" : "new strings", new_strings);
        tell(facts, old_strings.size() == 1 ? "no longer the string" : "no longer the strings", old_strings);
    }
    tell(facts, "now refers to", missing(after.functions, before.functions));
    tell(facts, "no longer refers to", missing(before.functions, after.functions));
}

/// "+0x1f: mov ecx, 0x3F8 was mov ecx, 0x3D0"; nothing where the code reads the same.
std::optional<std::string> first_difference(const std::vector<CodeLine>& before, const std::vector<CodeLine>& after) {
    const auto shown = [](const CodeLine& line) { return line.note.empty() ? line.text : line.text + " " + line.note; };
    for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i)
        if (before[i].key != after[i].key)
            return shown(before[i]) == shown(after[i])
                       ? std::nullopt
                       : std::optional(
                             fmt::format("+0x{:x}: {} was {}", after[i].offset, shown(after[i]), shown(before[i])));
    return std::nullopt;
}

} // namespace

Report make_report(const program::Program& baseline, const program::Program& updated, const diff::ChangeSet& changes,
                   Outcome outcome) {
    Report report{
        baseline.image().machine(), image_of(baseline), image_of(updated), changes.counts, {}, changes.allowed, {},
        std::move(outcome)};
    for (const program::Conflict& conflict : baseline.conflicts())
        report.conflicts.push_back({"baseline", conflict});
    for (const program::Conflict& conflict : updated.conflicts())
        report.conflicts.push_back({"updated", conflict});
    if (changes.changes.empty())
        return report;
    const Counterparts counterparts(baseline, updated, changes, Counterparts::Scope::changes);
    const Names old_names(baseline, nullptr);
    const Names new_names(updated, &counterparts);
    for (const diff::Change& change : changes.changes) {
        ReportedChange reported{change, 0, {}};
        const Function* old_one = change.baseline_rva ? baseline.function_at(*change.baseline_rva) : nullptr;
        const Function* new_one = change.updated_rva ? updated.function_at(*change.updated_rva) : nullptr;
        if (old_one)
            reported.baseline_size = old_one->range.size;
        if (old_one && new_one) {
            std::string told = change.why;
            if (report.changes.size() < kMaxInstructions)
                if (auto difference = first_difference(code_of(old_names, *old_one), code_of(new_names, *new_one))) {
                    told += *difference;
                    reported.facts.push_back(std::move(*difference));
                }
            add_facts(reported.facts, mentions_of(old_names, *old_one), mentions_of(new_names, *new_one), told);
        }
        report.changes.push_back(std::move(reported));
    }
    return report;
}

std::string_view name_of(Outcome::Kind kind) {
    constexpr std::string_view kNames[] = {"package", "no-change", "refused"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::string_view explain(isa::SiteKind kind) {
    switch (kind) {
    case isa::SiteKind::x64_padded:
        return "a short jump to the fill before the entry; no thread is stopped";
    case isa::SiteKind::x64_cave:
        return "a short jump to unused fill nearby; no thread is stopped";
    case isa::SiteKind::x64_prologue:
        return "a jump over the first instructions; threads are stopped for it unless that is one";
    case isa::SiteKind::x64_tail:
        return "a jump that reaches into the fill behind the function; threads are stopped for it unless it is over "
               "one instruction";
    case isa::SiteKind::arm64_branch:
        break;
    }
    return "one branch instruction; no thread is stopped";
}

std::string proof_text(const prove::Proof& proof) {
    return fmt::format("{} and {} of data, of {} and {} of the baseline", counted(proof.references, "reference"),
                       counted(static_cast<std::size_t>(proof.data_bytes), "byte"),
                       counted(proof.emitted, "new function"), counted(proof.unchanged, "function"));
}

} // namespace suture::cli
