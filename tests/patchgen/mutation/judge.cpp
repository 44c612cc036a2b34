#include "tests/patchgen/mutation/judge.hpp"

#include <algorithm>
#include <set>

namespace suture::test {

namespace {

/// What a change set says, by place. A mutant's addresses are those of the baseline.
struct Report {
    std::set<Rva> functions;   ///< entries of baseline functions that are reported
    std::vector<Rva> refusals; ///< where
};

Report report_of(const program::Program& baseline, const diff::ChangeSet& changes) {
    Report report;
    for (const diff::Change& change : changes.changes)
        if (change.baseline_rva)
            report.functions.insert(*change.baseline_rva);
    for (const Error& refusal : changes.refusals)
        if (refusal.place().rva) {
            report.refusals.push_back(*refusal.place().rva);
            if (const auto* function = baseline.function_at(*refusal.place().rva))
                report.functions.insert(function->range.begin);
        }
    return report;
}

/// The function that is to be reported for the code at `at`. Where the exception directory says where a function
/// begins and where it ends, patchgen has to agree.
std::optional<Rva> function_with(const RawImage& image, const program::Program& baseline, Rva at) {
    const auto* function = baseline.function_at(at);
    const auto* entry = pe::runtime_function_at(image.runtime_functions(), at);
    if (!function ||
        (entry && function->range.begin > entry->range.begin && function->source == program::Source::pdata))
        return std::nullopt;
    return function->range.begin;
}

/// Whether a refusal is about the changed thing itself: the data object that holds it, or, where an instruction leads
/// to something else now, what it leads to.
/// A variable that holds a pointer to what changed.
bool points_near(const RawImage& image, RvaRange object, Rva at) {
    constexpr std::uint32_t kNear = 4096;
    return std::ranges::any_of(image.pointer_fields(), [&](Rva field) {
        const auto to = object.contains(field) ? image.pointer_at(field) : std::nullopt;
        return to && *to <= at && at - *to < kNear;
    });
}

bool names_the_place(const RawImage& image, const Mutant& mutant, const program::Program& updated,
                     const Report& report) {
    const auto* object = updated.data_at(mutant.at);
    const auto* function = updated.function_at(mutant.at);
    return std::ranges::any_of(report.refusals, [&](Rva at) {
        const auto* named = updated.data_at(at);
        return (named && points_near(image, named->range, mutant.at)) || at == mutant.at ||
               std::ranges::find(mutant.users, at) != mutant.users.end() || (object && object->range.contains(at)) ||
               (mutant.kind == Kind::resource_byte && image.image().directory(pe::Directory::resources).contains(at) &&
                at <= mutant.at) ||
               (mutant.kind == Kind::unreached_code && image.in_one_gap(at, mutant.at)) ||
               (function && std::ranges::any_of(function->references,
                                                [&](const program::Reference& one) { return one.target == at; }));
    });
}

} // namespace

Rva begin_of_data(const program::Program& program, Rva at) {
    if (const auto* object = program.data_at(at))
        return object->range.begin;
    const auto list = program.data();
    const auto next = std::ranges::upper_bound(list, at, {}, [](const auto& one) { return one.range.begin; });
    const auto* section = program.image().section_at(at);
    const Rva first = section ? section->range.begin : Rva{0};
    if (next == list.begin())
        return first;
    return std::max(first, Rva{static_cast<std::uint32_t>(std::prev(next)->range.end())});
}

namespace {

bool is_unused(const RawImage& image, const Mutant& mutant, const program::Program& baseline) {
    return !mutant.of_code && mutant.users.empty() &&
           !image.leads_into(begin_of_data(baseline, mutant.at),
                             mutant.at + static_cast<std::uint32_t>(mutant.bytes.size()));
}

} // namespace

std::string_view name_of(Verdict verdict) {
    constexpr std::array<std::string_view, kVerdicts> kNames{"exact",  "wider",     "refused", "unreadable",
                                                             "unused", "elsewhere", "missed"};
    return kNames[static_cast<std::size_t>(verdict)];
}

Verdict judge(const RawImage& image, const Mutant& mutant, const program::Program& baseline,
              const program::Program& updated, const diff::ChangeSet& changes) {
    const Report report = report_of(baseline, changes);
    if (changes.no_change())
        return is_unused(image, mutant, baseline) ? Verdict::unused : Verdict::missed;
    std::set<Rva> wanted;
    for (const Rva user : mutant.users) {
        const auto function = function_with(image, baseline, user);
        if (function)
            wanted.insert(*function);
        else if (!mutant.any_user)
            return Verdict::elsewhere;
    }
    const auto reported = [&](Rva function) { return report.functions.contains(function); };
    if (mutant.any_user ? std::ranges::any_of(wanted, reported)
                        : !wanted.empty() && std::ranges::all_of(wanted, reported))
        return report.functions == wanted ? Verdict::exact : Verdict::wider;
    if (names_the_place(image, mutant, updated, report))
        return Verdict::refused;
    // A package would be made that leaves a function out.
    if (!wanted.empty())
        return changes.refusals.empty() ? Verdict::missed : Verdict::elsewhere;
    // Data whose users only patchgen knows, through tables of pointers: that it names some is all that can be asked.
    return report.functions.empty() ? Verdict::elsewhere : Verdict::wider;
}

} // namespace suture::test
