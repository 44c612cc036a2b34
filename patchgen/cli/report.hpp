#pragma once

#include "patchgen/cli/output.hpp"
#include "patchgen/diff/change_set.hpp"
#include "patchgen/prove/prove.hpp"

namespace suture::cli {

/// What came of `patchgen create`.
struct Outcome {
    enum class Kind { package, no_change, refused };
    Kind kind = Kind::no_change;
    std::string package; ///< path; empty where none was written
    std::size_t bytes = 0;
    std::optional<prove::Proof> proof;
    std::vector<Error> reasons; ///< where refused
};

/// The report for people: what changed and why, how each function is redirected, what is refused and what to do.
std::string report_text(const program::Program& baseline, const program::Program& updated,
                        const diff::ChangeSet& changes, const Outcome& outcome, const Output& output);
/// The same as JSON. Scripts rely on its keys: they are added to, never renamed.
Json report_json(const program::Program& baseline, const diff::ChangeSet& changes, const Outcome& outcome);

/// "412 references and 1,024 bytes of data of 34 functions"
std::string proof_text(const prove::Proof& proof);
Json proof_json(const prove::Proof& proof);

} // namespace suture::cli
