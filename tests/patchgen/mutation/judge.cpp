#include "tests/patchgen/mutation/judge.hpp"

#include <algorithm>
#include <set>

namespace suture::test {

namespace {

/// What a change set says, by place. A mutant's addresses are those of the original.
struct Report {
    std::set<Rva> functions;   ///< entries of the original's functions that are reported
    std::vector<Rva> refusals; ///< where
};

Report report_of(const program::Program& original, const diff::ChangeSet& changes, Places places) {
    Report report;
    for (const diff::Change& change : changes.changes)
        if (const auto rva = places == Places::of_both ? change.baseline_rva : change.updated_rva)
            report.functions.insert(*rva);
    if (places == Places::of_updated)
        return report;
    for (const Error& refusal : changes.refusals)
        if (refusal.place().rva) {
            report.refusals.push_back(*refusal.place().rva);
            if (const auto* function = original.function_at(*refusal.place().rva))
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

/// Bytes before a changed byte of code in which the instruction that it belongs to may begin, and behind it in which
/// that and the next ones end.
constexpr std::uint32_t kNearInstruction = 16;

/// The template of thread-local data, which a refusal names by where it begins.
RvaRange thread_local_template(const RawImage& image) {
    const RvaRange directory = image.image().directory(pe::Directory::tls);
    const auto first = directory.size != 0 ? image.pointer_at(directory.begin) : std::nullopt;
    const auto last = directory.size != 0 ? image.pointer_at(directory.begin + 8) : std::nullopt;
    return first && last && *first < *last ? RvaRange{*first, *last - *first} : RvaRange{};
}

/// Whether a refusal is about the changed thing itself: the data that holds it, what leads there, or, where an
/// instruction leads to something else now, what it leads to.
bool names_the_place(const RawImage& image, const Uses& uses, const Mutant& mutant, const program::Program& updated,
                     const Report& report) {
    const auto* object = updated.data_at(mutant.at);
    const auto* function = updated.function_at(mutant.at);
    const RvaRange thread_local_data = thread_local_template(image);
    const auto is_leads = [&](const program::Reference& reference, Rva to) {
        const Rva field = function->range.begin + reference.offset;
        return reference.target == to && field.value + kNearInstruction >= mutant.at.value &&
               field.value <= mutant.at.value + mutant.bytes.size() + kNearInstruction;
    };
    // Addresses within a variable may be on the way as well as where it begins.
    const auto begins_at = [&](Rva inner, Rva at) {
        const auto* variable = updated.data_at(inner);
        return variable && !variable->names.empty() && variable->range.begin == at;
    };
    return std::ranges::any_of(report.refusals, [&](Rva at) {
        return at == mutant.at || std::ranges::find(mutant.users, at) != mutant.users.end() ||
               std::ranges::any_of(uses.data,
                                   [&](const RvaRange& way) { return way.contains(at) || begins_at(way.begin, at); }) ||
               (object && object->range.contains(at) &&
                (!object->names.empty() || object->writable || uses.data.empty())) ||
               (thread_local_data.contains(mutant.at) && thread_local_data.contains(at)) ||
               (mutant.kind == Kind::resource_byte && image.image().directory(pe::Directory::resources).contains(at) &&
                at <= mutant.at) ||
               (mutant.kind == Kind::unreached_code && image.in_one_gap(at, mutant.at)) ||
               (mutant.of_code && function &&
                std::ranges::any_of(function->references, [&](const auto& one) { return is_leads(one, at); }));
    });
}

/// Nothing in the image leads to what was changed.
bool is_unused(const RawImage& image, const Leads& known, const Mutant& mutant, const program::Program& baseline) {
    if (mutant.of_code || !mutant.users.empty())
        return false;
    const pe::Section* section = image.image().section_at(mutant.at);
    if (section && section->executable()) {
        const auto* object = baseline.data_at(mutant.at);
        const bool named = object && !object->names.empty();
        return !image.leads_into(named ? object->range.begin : image.begin_of_gap(mutant.at), mutant.at + 1);
    }
    const Uses uses = known.of(mutant.place());
    return (uses.direct.empty() && uses.data.empty()) || known.is_padding(mutant.place());
}

/// Whether a function that is reported besides those that changed has a reason to be: it leads into one of them behind
/// the entry, or into another that is reported for that.
bool goes_along(const RawImage& image, const program::Program& baseline, Rva function, const std::set<Rva>& reported) {
    const auto* one = baseline.function_at(function);
    if (!one)
        return false;
    const auto inner = [&](Rva to) {
        const auto* other = baseline.function_at(to);
        return other && other != one && to != other->range.begin && reported.contains(other->range.begin);
    };
    return std::ranges::any_of(image.instructions_in(one->range),
                               [&](const Instruction& each) { return each.target && inner(*each.target); });
}

} // namespace

std::string_view name_of(Verdict verdict) {
    constexpr std::array<std::string_view, kVerdicts> kNames{"exact",  "wider",     "refused", "unreadable",
                                                             "unused", "elsewhere", "missed"};
    return kNames[static_cast<std::size_t>(verdict)];
}

Verdict judge(const RawImage& image, const Leads& leads, const Leads& known, const Mutant& mutant,
              const program::Program& original, const program::Program& updated, const diff::ChangeSet& changes,
              Places places) {
    const Report report = report_of(original, changes, places);
    const auto* changed = mutant.of_code ? original.function_at(mutant.at) : nullptr;
    const Uses uses = !mutant.of_code ? leads.of(mutant.place()) : changed ? leads.of(changed->range.begin) : Uses();
    if (changes.no_change())
        return is_unused(image, known, mutant, original) ? Verdict::unused : Verdict::missed;
    std::set<Rva> wanted;
    for (const Rva user : mutant.users) {
        const auto function = function_with(image, original, user);
        if (function)
            wanted.insert(*function);
        else if (!mutant.any_user)
            return Verdict::elsewhere;
    }
    const auto reported = [&](Rva function) { return report.functions.contains(function); };
    if (mutant.any_user ? std::ranges::any_of(wanted, reported)
                        : !wanted.empty() && std::ranges::all_of(wanted, reported)) {
        if (report.functions == wanted)
            return Verdict::exact;
        // Without symbols, a function that changed may take others with it that lose what they were known by.
        const bool reasonable =
            places == Places::of_updated || !mutant.of_code || !changes.refusals.empty() ||
            std::ranges::all_of(report.functions, [&](Rva function) {
                return wanted.contains(function) || goes_along(image, original, function, report.functions);
            });
        return reasonable ? Verdict::wider : Verdict::elsewhere;
    }
    if (places == Places::of_updated && !changes.refusals.empty())
        return Verdict::refused;
    if (names_the_place(image, uses, mutant, updated, report))
        return Verdict::refused;
    // A package would be made that leaves a function out.
    if (!wanted.empty())
        return changes.refusals.empty() ? Verdict::missed : Verdict::elsewhere;
    // Data that no instruction is seen to access: whoever gets to it by way of pointers.
    const auto is_reported = [&](Rva user) {
        const auto function = function_with(image, original, user);
        return function && reported(*function);
    };
    return places == Places::of_updated || std::ranges::any_of(uses.all, is_reported) ? Verdict::wider
                                                                                      : Verdict::elsewhere;
}

} // namespace suture::test
