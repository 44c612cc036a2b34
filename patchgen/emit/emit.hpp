#pragma once

#include "engine/package/writer.hpp"
#include "patchgen/diff/change_set.hpp"

namespace suture::emit {

/// What a package is to say of itself.
struct Options {
    std::string id;             ///< empty: default_id()
    std::uint32_t sequence = 1; ///< monotonic per baseline, from 1
    std::string module;         ///< file name of the baseline; empty: that of its path
};

/// "<stem of the module> <baseline's TimeDateStamp> -> <updated image's>": the same for the same inputs.
std::string default_id(const program::Program& baseline, const program::Program& updated);

/// Lays out what `changes` says is to be emitted, and resolves every reference of it: to a place in the package, or to
/// a fixup against the baseline. `changes` compares these two programs, has no refusals and at least one function.
/// Same arguments, same contents. Errors: reference_out_of_reach, reference_unresolved, unwind_unsupported, and those
/// of engine/pe.
Result<package::Contents> emit(const program::Program& baseline, const program::Program& updated,
                               const diff::ChangeSet& changes, const Options& options);

} // namespace suture::emit
