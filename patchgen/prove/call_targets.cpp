#include "patchgen/prove/equivalence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::prove {

// Control-flow guard ends a process that calls what is not listed, and the longer the list, the less it protects: so
// neither more nor less is listed than the updated image lists of what the package has or takes the address of.
Result<void> Equivalence::prove_call_targets() const {
    const package::Manifest& manifest = overlay_.package().manifest();
    const auto wrong = [&](Rva at, std::string detail) {
        return fail(Error(Code::proof_failed, std::move(detail)).in_image(updated_.path()).at(at));
    };
    if (manifest.guarded != updated_.load_config().is_guarded() ||
        manifest.guarded != overlay_.baseline().load_config().is_guarded())
        return wrong({}, "package and images differ in whether calls by address are guarded");
    if (!manifest.guarded)
        return {};
    const auto holds = [](const std::vector<Rva>& targets, Rva at) { return std::ranges::binary_search(targets, at); };
    const std::vector<Rva>& listed = updated_.load_config().call_targets;
    const std::vector<Rva>& listed_before = overlay_.baseline().load_config().call_targets;

    std::size_t count = 0;
    for (const auto& [at, function] : emitted_) {
        const bool is_target = holds(listed, function->range.begin);
        if (is_target != holds(manifest.call_targets, at))
            return wrong(function->range.begin, fmt::format("{} may be called by its address in the {} alone",
                                                            function->display_name(), is_target ? "image" : "package"));
        count += is_target;
    }
    if (count != manifest.call_targets.size())
        return wrong({}, "a call target of the package is the entry of no function");
    std::set<Rva> needed;
    for (const auto& [updated, place] : taken_) {
        if (place.in_package || !holds(listed, updated) || holds(listed_before, place.rva))
            continue;
        needed.insert(place.rva);
        if (!holds(manifest.baseline_call_targets, place.rva))
            return wrong(updated,
                         fmt::format("{} may be called by its address, but not in the baseline", place.text()));
    }
    if (needed.size() != manifest.baseline_call_targets.size())
        return wrong({}, "a call target of the baseline that the package does not need");
    return {};
}

} // namespace suture::prove
