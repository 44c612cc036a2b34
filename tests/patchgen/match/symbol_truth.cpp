#include "tests/patchgen/match/symbol_truth.hpp"

#include "patchgen/match/matcher.hpp"
#include "patchgen/match/names.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace suture::test {

namespace {

using program::Function;
using program::Program;

struct Loaded {
    std::unique_ptr<const Program> baseline;
    std::unique_ptr<const Program> updated;
};

Result<Loaded> load(const std::string& baseline, const std::string& updated, bool use_symbols) {
    Loaded loaded;
    SUTURE_TRY(loaded.baseline, Program::load(baseline, {.symbols = {}, .use_symbols = use_symbols}));
    SUTURE_TRY(loaded.updated, Program::load(updated, {.symbols = {}, .use_symbols = use_symbols}));
    for (const auto* one : {loaded.baseline.get(), loaded.updated.get()})
        if (use_symbols && one->symbol_source() == "image")
            return fail(Error(Code::symbols_unreadable, "it has no symbols").in_image(one->path()));
    return loaded;
}

/// Entries of the functions that bear a name which no other function has.
std::map<std::string, Rva> by_unique_name(const Program& program) {
    std::map<std::string, Rva> entries;
    std::set<std::string> repeated;
    for (const Function& function : program.functions())
        for (const std::string& name : function.names)
            if (!entries.emplace(name, function.range.begin).second)
                repeated.insert(name);
    for (const std::string& name : repeated)
        entries.erase(name);
    return entries;
}

std::set<std::string> names_in(const Program& program) {
    std::set<std::string> names;
    for (const Function& function : program.functions())
        names.insert(function.names.begin(), function.names.end());
    return names;
}

bool bears_any(const std::set<std::string>& all, const std::vector<std::string>& names) {
    return std::ranges::any_of(names, [&](const std::string& name) { return all.contains(name); });
}

const Function* starting_at(const Program& program, Rva at) {
    const Function* function = program.function_at(at);
    return function && function->range.begin == at ? function : nullptr;
}

} // namespace

Result<SymbolTruth> symbol_truth_of(const std::string& baseline, const std::string& updated) {
    SUTURE_TRY(const Loaded named, load(baseline, updated, true));
    SUTURE_TRY(const Loaded bare, load(baseline, updated, false));
    const auto matching = match::match(match::Places(*bare.baseline), match::Places(*bare.updated));

    const auto names_in_baseline = names_in(*named.baseline);
    const auto names_in_updated = names_in(*named.updated);
    std::set<std::pair<Rva, Rva>> paired;
    SymbolTruth truth;
    for (std::size_t b = 0; b < matching.to_updated.size(); ++b)
        for (const std::uint32_t u : matching.to_updated[b]) {
            const Rva from = bare.baseline->functions()[b].range.begin;
            const Rva to = bare.updated->functions()[u].range.begin;
            paired.emplace(from, to);
            const Function* old_one = starting_at(*named.baseline, from);
            const Function* new_one = starting_at(*named.updated, to);
            if (!old_one || !new_one || match::names_compatible(old_one->names, new_one->names))
                continue;
            // What is exported by one name is the same, whatever its source calls it.
            if (match::names_compatible(bare.baseline->functions()[b].names, bare.updated->functions()[u].names) &&
                !bare.baseline->functions()[b].names.empty() && !bare.updated->functions()[u].names.empty())
                continue;
            // Where the other image has neither name, the function was renamed.
            if (bears_any(names_in_updated, old_one->names) || bears_any(names_in_baseline, new_one->names))
                truth.wrong.push_back(old_one->display_name() + ", " + new_one->display_name());
        }

    const auto to = by_unique_name(*named.updated);
    std::set<Rva> counted;
    for (const auto& [name, from] : by_unique_name(*named.baseline)) {
        const auto other = to.find(name);
        if (other == to.end() || !counted.insert(from).second)
            continue;
        if (paired.contains({from, other->second}))
            ++truth.found;
        else if (!starting_at(*bare.baseline, from) || !starting_at(*bare.updated, other->second))
            truth.unseen.push_back(name);
        else
            truth.missing.push_back(name);
    }
    truth.pairs = truth.found + truth.missing.size();
    return truth;
}

} // namespace suture::test
