#pragma once

#include "patchgen/diff/change_set.hpp"
#include "patchgen/diff/contents.hpp"

#include <map>

namespace suture::diff {

/// What goes into a package, and why some of it cannot.
struct Emission {
    std::vector<EmittedFunction> functions; ///< ascending by updated entry; sites are not chosen yet
    std::vector<EmittedData> data;          ///< ascending
    std::vector<Error> refusals;
    /// First refusal that concerns a function, by its updated index.
    std::map<std::uint32_t, std::size_t> refused;
};

/// Collects the changed functions, everything new that they reach, and where each of their references leads.
/// `changed`: functions that differ, one baseline function for each updated one.
/// `parts`: those among them (updated indices) that only changed functions enter, so that no redirect is needed.
Emission collect_emission(const Pairing& pairing, Contents& contents, const std::set<Edge>& changed,
                          const std::set<std::uint32_t>& parts);

} // namespace suture::diff
