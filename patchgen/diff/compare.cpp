#include "patchgen/diff/change_set.hpp"
#include "patchgen/diff/emission.hpp"
#include "patchgen/diff/fronts.hpp"
#include "patchgen/diff/function_diff.hpp"
#include "patchgen/diff/image_checks.hpp"
#include "patchgen/diff/member_shifts.hpp"
#include "patchgen/diff/sites.hpp"
#include "patchgen/diff/type_checks.hpp"
#include "patchgen/program/counting.hpp"
#include "patchgen/program/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::diff {

namespace {

using program::Function;
using program::Reference;
using program::Use;

class Comparison {
  public:
    Comparison(const program::Program& baseline, const program::Program& updated, const Allowances& allowances)
        : pairing_(baseline, updated), contents_(pairing_), old_(baseline), new_(updated), allowances_(allowances) {}

    ChangeSet run() {
        result_.counts.baseline = old_.functions().size();
        result_.counts.updated = new_.functions().size();
        result_.counts.matched = pairing_.functions.matched();
        // Versions of one image share nearly all functions; small programs that share a runtime library, half of them.
        const auto found = static_cast<std::size_t>(std::ranges::count_if(
            pairing_.functions.to_baseline, [](const auto& partners) { return !partners.empty(); }));
        if (!most_of(result_.counts.matched, result_.counts.baseline) || !most_of(found, result_.counts.updated)) {
            result_.refusals.push_back(
                Error(Code::unrelated_images,
                      fmt::format("{} of {} functions have a counterpart, and {} of {} of the baseline", found,
                                  result_.counts.updated, result_.counts.matched, result_.counts.baseline))
                    .in_image(new_.path()));
            return std::move(result_);
        }
        compare_pairs();
        compare_counted();
        compare_fronts();
        spread_changes();
        count();
        result_.refusals = check_images(pairing_, contents_, changed_);
        apply_allowances();
        std::ranges::move(check_types(pairing_, changed_), std::back_inserter(result_.refusals));
        std::ranges::move(check_member_shifts(pairing_, changed_), std::back_inserter(result_.refusals));
        check_folding();
        check_conflicts();
        find_parts();
        emit();
        check_leftovers();
        report();
        for (std::uint32_t b = 0; b < pairing_.functions.to_updated.size(); ++b)
            for (const std::uint32_t u : pairing_.functions.to_updated[b])
                result_.matches.emplace_back(pairing_.old_function(b).range.begin,
                                             pairing_.new_function(u).range.begin);
        return std::move(result_);
    }

  private:
    /// Three fifths, and half of a few, of which one is much.
    static bool most_of(std::size_t some, std::size_t all) {
        constexpr std::size_t kFew = 16;
        return all != 0 && (all <= kFew ? some * 2 >= all : some * 5 >= all * 3);
    }

    /// All pairs are asked side by side what their being equal depends on, then all of that is looked at side by side.
    void compare_pairs() {
        std::vector<Edge> edges;
        for (std::uint32_t b = 0; b < pairing_.functions.to_updated.size(); ++b)
            for (const std::uint32_t u : pairing_.functions.to_updated[b])
                edges.emplace_back(b, u);
        std::vector<std::optional<FunctionDiff>> diffs;
        diffs.reserve(edges.size());
        program::for_each_in_order(
            edges.size(),
            [&](std::size_t i) { return compare_but_for_data(pairing_, contents_, edges[i].first, edges[i].second); },
            [&](std::optional<Contents::Dependence>& on) {
                diffs.emplace_back();
                if (!on)
                    return;
                FunctionDiff& diff = diffs.back().emplace();
                diff.inner = std::move(on->inner);
                diff.contents.reserve(on->questions.size());
                for (const Contents::Question& question : on->questions)
                    diff.contents.push_back(contents_.ask(question));
            });
        contents_.settle();
        const auto same = [&](Contents::Node node) { return contents_.same(node); };
        for (std::size_t i = 0; i < edges.size(); ++i) {
            const auto [b, u] = edges[i];
            const bool equal = diffs[i] && std::ranges::all_of(diffs[i]->contents, same);
            FunctionDiff diff = equal ? std::move(*diffs[i]) : compare_functions(pairing_, contents_, b, u);
            if (!diff.equal())
                changed_.emplace(b, u);
            diffs_.emplace_hint(diffs_.end(), edges[i], std::move(diff));
        }
    }

    /// Which texts belong to one table only the code tells that adds to an address. It is asked where what lies behind
    /// differs, which is seldom.
    void compare_counted() {
        struct User {
            std::map<Edge, FunctionDiff>::iterator diff;
            std::size_t reference;
            Contents::Node node;
        };
        const std::vector<bool> differs = contents_.may_differ_behind();
        if (std::ranges::find(differs, true) == differs.end())
            return;
        std::vector<User> users;
        for (auto at = diffs_.begin(); at != diffs_.end(); ++at) {
            const Function& from = pairing_.old_function(at->first.first);
            const Function& to = pairing_.new_function(at->first.second);
            for (std::size_t i = 0; at->second.equal() && i < to.references.size(); ++i)
                if (may_be_counted(from.references[i], to.references[i], differs))
                    users.push_back(
                        {at, i, contents_.ask({from.references[i].target, to.references[i].target, 0, false, true})});
        }
        contents_.settle();
        for (const User& user : users) {
            auto& [edge, diff] = *user.diff;
            if (contents_.same(user.node) || !diff.equal())
                continue;
            const Function& function = pairing_.new_function(edge.second);
            const Reference& reference = function.references[user.reference];
            if (!program::counts_from(new_, function, reference,
                                      Contents::countable_from(pairing_.updated, reference.target)))
                continue;
            diff.why = fmt::format("other data at +0x{:x}: behind {}, which it counts from", reference.instruction,
                                   describe(pairing_.updated, reference.target));
            changed_.insert(edge);
        }
    }

    /// What lies in front of an address counts for code that subtracts from it.
    void compare_fronts() {
        std::vector<Edge> equal;
        for (const auto& [edge, diff] : diffs_)
            if (diff.equal())
                equal.push_back(edge);
        for (const auto& [edge, reference] : different_fronts(pairing_, contents_, equal)) {
            diffs_.at(edge).why = fmt::format("other data at +0x{:x}: in front of {}, which it counts back from",
                                              reference->instruction, describe(pairing_.updated, reference->target));
            changed_.insert(edge);
        }
    }

    bool may_be_counted(const Reference& from, const Reference& to, const std::vector<bool>& differs) const {
        if (!program::has_target(to.kind) || program::is_branch(to.kind) || to.use == Use::write ||
            (to.use == Use::read && to.access_size != 0))
            return false;
        const program::DataObject* object = new_.data_at(to.target);
        return object && differs[pairing_.updated.index_of(*object)] && old_.data_at(from.target) &&
               Contents::countable_from(pairing_.updated, to.target) != 0 &&
               pairing_.updated.at(to.target).kind == match::PlaceKind::data &&
               pairing_.baseline.at(from.target).kind == match::PlaceKind::data;
    }

    /// Whatever leads into the middle of a changed function changes with it, directly or through data.
    void spread_changes() {
        std::set<Edge> fresh = changed_;
        while (!fresh.empty()) {
            contents_.differ(fresh);
            std::set<Edge> next;
            for (auto& [edge, diff] : diffs_) {
                if (!diff.equal())
                    continue;
                const auto inner = std::find_if(diff.inner.begin(), diff.inner.end(),
                                                [&](const Edge& other) { return changed_.contains(other); });
                if (inner != diff.inner.end())
                    diff.why = fmt::format("leads into the middle of {}, which differs",
                                           pairing_.new_function(inner->second).display_name());
                else if (!std::all_of(diff.contents.begin(), diff.contents.end(),
                                      [&](Contents::Node node) { return contents_.same(node); }))
                    diff.why = "refers to data that points into the middle of a function which differs";
                else
                    continue;
                next.insert(edge);
            }
            changed_.insert(next.begin(), next.end());
            fresh = std::move(next);
        }
    }

    void count() {
        Counts& counts = result_.counts;
        for (const auto& partners : pairing_.functions.to_baseline) {
            counts.added += partners.empty();
        }
        counts.removed = counts.baseline - counts.matched;
        std::set<std::uint32_t> differing;
        for (const auto& [b, u] : changed_)
            differing.insert(b);
        counts.changed = differing.size();
        counts.equal = counts.matched - counts.changed;
    }

    void refuse(std::uint32_t updated, Code code, std::string detail) {
        const Function& function = pairing_.new_function(updated);
        refused_.emplace(updated, result_.refusals.size());
        result_.refusals.push_back(Error(code, std::move(detail))
                                       .in_image(new_.path())
                                       .at(function.range.begin)
                                       .in_function(function.display_name()));
    }

    /// Of what check_images() refuses. A variable that is larger, or that nothing shows the place of, cannot be
    /// allowed.
    void apply_allowances() {
        for (const std::string& name : allowances_.data_changes) {
            const program::DataObject* object = program::data_called(new_, name);
            const auto is_meant = [&](const Error& error) {
                return object && error.code() == Code::data_initial_value_changed &&
                       error.place().rva == object->range.begin;
            };
            const auto found = std::ranges::find_if(result_.refusals, is_meant);
            const bool again = std::ranges::any_of(result_.allowed, is_meant);
            if (found == result_.refusals.end()) {
                if (!again)
                    result_.not_allowed.push_back(name);
                continue;
            }
            result_.allowed.push_back(std::move(*found));
            result_.refusals.erase(found);
        }
        std::ranges::stable_sort(result_.allowed, {}, [](const Error& error) { return error.place().rva; });
    }

    /// One address that is several functions can only be redirected for all of them.
    void check_folding() {
        std::map<std::string_view, Rva> exports;
        for (const pe::Export& one : old_.exports())
            if (one.forwarder.empty() && !one.name.empty())
                exports.emplace(one.name, one.rva);
        for (const auto& [b, u] : changed_) {
            // Others hold the addresses that the baseline's exports have; the updated image has but one for them.
            const Rva entry = pairing_.old_function(b).range.begin;
            for (const pe::Export& one : new_.exports())
                if (const auto before = exports.find(one.name); one.rva == pairing_.new_function(u).range.begin &&
                                                                before != exports.end() && before->second != entry)
                    refuse(u, Code::folded_function,
                           fmt::format("the export {} led to +0x{:x}, not to +0x{:x}", one.name, before->second.value,
                                       entry.value));
            for (const std::uint32_t other : pairing_.functions.to_updated[b])
                if (other != u)
                    refuse(u, Code::folded_function,
                           fmt::format("the baseline's function at +0x{:x} is also {}",
                                       pairing_.old_function(b).range.begin.value,
                                       pairing_.new_function(other).display_name()));
            const auto& partners = pairing_.functions.to_baseline[u];
            for (const std::uint32_t other : partners)
                if (other != b && changed_.contains({other, u}))
                    refuse(u, Code::folded_function,
                           fmt::format("it is both {} (+0x{:x}) and {} (+0x{:x}) of the baseline",
                                       pairing_.old_function(b).display_name(),
                                       pairing_.old_function(b).range.begin.value,
                                       pairing_.old_function(other).display_name(),
                                       pairing_.old_function(other).range.begin.value));
        }
    }

    /// Sources that disagree about a function, be it on where it ends alone, leave open what has to be replaced. Where
    /// it did not change that does no harm: all code is compared, whichever function it is said to belong to.
    void check_conflicts() {
        const auto statement_on = [](const program::Program& program, const Function& function) {
            for (const program::Conflict& conflict : program.conflicts())
                if (function.range.contains(conflict.at) ||
                    (conflict.other && function.range.contains(*conflict.other)))
                    return fmt::format("at +0x{:x}, {}", conflict.at.value, conflict.detail);
            return std::string();
        };
        for (const auto& [b, u] : changed_)
            if (const auto said = statement_on(old_, pairing_.old_function(b)); !said.empty())
                refuse(u, Code::match_ambiguous, "in the baseline, " + said);
            else if (const auto also = statement_on(new_, pairing_.new_function(u)); !also.empty())
                refuse(u, Code::match_ambiguous, also);
    }

    /// Changed functions that in the baseline nothing but jumps of changed functions enters: separated parts of them,
    /// and helpers they end in. They come with those, and need no redirect of their own.
    void find_parts() {
        std::map<std::uint32_t, std::uint32_t> changed(changed_.begin(), changed_.end());
        std::map<std::uint32_t, bool> entered; // changed function: entered by jumps of changed ones only
        const auto note = [&](Rva target, bool by_part) {
            const match::Place place = pairing_.baseline.at(target);
            if (place.kind == match::PlaceKind::function && changed.contains(place.index)) {
                auto& only_jumps = entered.try_emplace(place.index, true).first->second;
                only_jumps = only_jumps && by_part;
            }
        };
        for (std::uint32_t b = 0; b < old_.functions().size(); ++b) {
            const Function& function = old_.functions()[b];
            for (const Reference& reference : function.references) {
                if (reference.kind == program::ReferenceKind::arm64_page21)
                    continue;
                if (!function.range.contains(reference.target))
                    note(reference.target, reference.use == Use::jump && changed.contains(b));
                else if (reference.target == function.range.begin && reference.use != Use::jump)
                    note(reference.target, false);
            }
        }
        // Filters, destructors and catch blocks that have become functions of their own are entered like parts.
        for (std::uint32_t b = 0; b < old_.functions().size(); ++b)
            for (const Rva target : pairing_.baseline_handlers.of(b))
                note(target, changed.contains(b));
        for (const pe::Relocation& field : old_.relocations())
            if (const auto target = old_.pointer_at(field.at))
                note(*target, false);
        for (const pe::Export& one : old_.exports())
            if (one.forwarder.empty())
                note(one.rva, false);
        for (const Rva target : old_.load_config().guard_functions)
            note(target, false);
        note(old_.image().entry_point(), false);
        for (const auto& [b, only_jumps] : entered)
            if (only_jumps)
                parts_.insert(changed.at(b));
    }

    void emit() {
        Emission emission = collect_emission(pairing_, contents_, changed_, parts_);
        for (const auto& [updated, index] : emission.refused)
            refused_.emplace(updated, result_.refusals.size() + index);
        std::move(emission.refusals.begin(), emission.refusals.end(), std::back_inserter(result_.refusals));
        result_.functions = std::move(emission.functions);
        result_.data = std::move(emission.data);
        choose_sites();
    }

    /// Without names, a function that has no counterpart on either side, and that nothing known refers to, may still be
    /// one that changed and is reached in ways that are not seen. Any of them may.
    void check_leftovers() {
        std::vector<const Function*> gone;
        for (std::uint32_t b = 0; b < old_.functions().size(); ++b)
            if (pairing_.functions.to_updated[b].empty() && pairing_.old_function(b).names.empty())
                gone.push_back(&pairing_.old_function(b));
        if (gone.empty())
            return;
        std::vector<const Function*> come;
        const std::set<const Function*> emitted = emitted_functions();
        for (std::uint32_t u = 0; u < new_.functions().size(); ++u)
            if (pairing_.functions.to_baseline[u].empty() && pairing_.new_function(u).names.empty() &&
                !emitted.contains(&pairing_.new_function(u)))
                come.push_back(&pairing_.new_function(u));
        if (come.empty())
            return;
        refuse(pairing_.updated.index_of(*come.front()), Code::match_ambiguous,
               fmt::format("nothing says whether it is {}{} of the baseline", gone.front()->display_name(),
                           gone.size() == 1 ? "" : " or another one"));
        for (const Function* function : gone)
            add_leftover(*function, &Change::baseline_rva);
        for (const Function* function : come)
            add_leftover(*function, &Change::updated_rva);
    }

    void add_leftover(const Function& function, std::optional<Rva> Change::*rva) {
        Change change;
        change.name = function.display_name();
        change.*rva = function.range.begin;
        change.size = function.range.size;
        change.verdict = Verdict::refused;
        change.reason = Code::match_ambiguous;
        change.why = "has no counterpart, and nothing known refers to it";
        result_.changes.push_back(std::move(change));
    }

    void choose_sites() {
        const isa::Isa* isa = isa::isa_for(old_.image().machine());
        std::vector<const Function*> replaced;
        for (const EmittedFunction& emitted : result_.functions)
            if (emitted.baseline && emitted.baseline->decoded)
                replaced.push_back(emitted.baseline);
        if (replaced.empty())
            return;
        if (!isa) {
            result_.refusals.push_back(Error(Code::pe_machine_unsupported, std::string(name_of(old_.image().machine())))
                                           .in_image(old_.path()));
            return;
        }
        std::sort(replaced.begin(), replaced.end(),
                  [](const Function* a, const Function* b) { return a->range.begin < b->range.begin; });
        replaced.erase(std::unique(replaced.begin(), replaced.end()), replaced.end());
        const auto sites = suture::diff::choose_sites(old_, replaced, *isa);
        for (EmittedFunction& emitted : result_.functions) {
            const auto found = emitted.baseline ? sites.find(emitted.baseline->range.begin) : sites.end();
            if (found == sites.end())
                continue;
            if (found->second)
                emitted.site = *found->second;
            else
                refuse(pairing_.updated.index_of(*emitted.updated), found->second.error().code(),
                       found->second.error().detail());
        }
    }

    void report() {
        std::map<std::uint32_t, std::uint32_t> replaced; // updated to baseline
        for (const auto& [b, u] : changed_)
            replaced.emplace(u, b);
        for (const EmittedFunction& emitted : result_.functions) {
            const std::uint32_t u = pairing_.updated.index_of(*emitted.updated);
            Change change;
            change.name = emitted.updated->display_name();
            change.updated_rva = emitted.updated->range.begin;
            change.size = emitted.updated->range.size;
            change.verdict = emitted.baseline ? Verdict::replaced : Verdict::added;
            change.why = "new";
            const auto found = replaced.find(u);
            if (emitted.serves_baseline && found == replaced.end() && !refused_.contains(u))
                continue; // a copy of what did not change
            if (found != replaced.end()) {
                change.baseline_rva = pairing_.old_function(found->second).range.begin;
                change.why = diffs_.at({found->second, u}).why;
            }
            if (emitted.site)
                change.site = emitted.site->kind;
            if (const auto refusal = refused_.find(u); refusal != refused_.end()) {
                const Error& error = result_.refusals[refusal->second];
                change.verdict = Verdict::refused;
                change.reason = error.code();
                change.detail = error.detail();
            }
            result_.changes.push_back(std::move(change));
        }
        report_new_exports(emitted_functions());
        std::ranges::stable_sort(result_.changes, {}, &Change::updated_rva);
    }

    std::set<const Function*> emitted_functions() const {
        std::set<const Function*> emitted;
        for (const EmittedFunction& function : result_.functions)
            emitted.insert(function.updated);
        return emitted;
    }

    /// Functions that are reached by a new export alone are not emitted, but they are news.
    void report_new_exports(const std::set<const Function*>& emitted) {
        for (const Error& error : result_.refusals) {
            const auto rva = error.place().rva;
            const Function* function = error.code() == Code::export_added && rva ? new_.function_at(*rva) : nullptr;
            if (!function || emitted.contains(function) || function->range.begin != *rva ||
                !pairing_.functions.to_baseline[pairing_.updated.index_of(*function)].empty())
                continue;
            Change change;
            change.name = function->display_name();
            change.updated_rva = *rva;
            change.size = function->range.size;
            change.verdict = Verdict::refused;
            change.reason = error.code();
            change.why = "new";
            change.detail = error.detail();
            result_.changes.push_back(std::move(change));
        }
    }

    Pairing pairing_;
    Contents contents_;
    const program::Program& old_;
    const program::Program& new_;
    const Allowances& allowances_;
    std::map<Edge, FunctionDiff> diffs_;
    std::set<Edge> changed_;
    std::set<std::uint32_t> parts_;                ///< updated functions
    std::map<std::uint32_t, std::size_t> refused_; ///< first refusal of an updated function
    ChangeSet result_;
};

} // namespace

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::replaced:
        return "replaced";
    case Verdict::added:
        return "added";
    case Verdict::refused:
        break;
    }
    return "refused";
}

/// Images that hold data or forwarders alone, which nothing can redirect.
ChangeSet compare_without_code(const program::Program& baseline, const program::Program& updated) {
    ChangeSet result;
    if (baseline.file() != updated.file())
        result.refusals.push_back(
            Error(Code::image_unsupported, "the files differ, and neither holds a function").in_image(updated.path()));
    return result;
}

ChangeSet compare(const program::Program& baseline, const program::Program& updated, const Allowances& allowances) {
    if (auto unrelated = check_related(baseline, updated)) {
        ChangeSet result;
        result.counts.baseline = baseline.functions().size();
        result.counts.updated = updated.functions().size();
        result.refusals.push_back(std::move(*unrelated));
        return result;
    }
    if (baseline.functions().empty() && updated.functions().empty())
        return compare_without_code(baseline, updated);
    return Comparison(baseline, updated, allowances).run();
}

} // namespace suture::diff
