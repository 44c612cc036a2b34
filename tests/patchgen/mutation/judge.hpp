#pragma once

#include "patchgen/diff/change_set.hpp"
#include "tests/patchgen/mutation/mutant.hpp"
#include "tests/patchgen/mutation/uses.hpp"

namespace suture::test {

/// What patchgen made of a mutant.
enum class Verdict : std::uint8_t {
    exact,      ///< it names the functions that the change concerns, and no other
    wider,      ///< it names them, and others that go with them
    refused,    ///< it refuses, and says where the change is
    unreadable, ///< it does not take the changed image for one
    unused,     ///< it says that nothing changed, and nothing in the image leads to what did
    elsewhere,  ///< it refuses or names something, but not what changed
    missed,     ///< it says that nothing changed, or leaves out a function that the change concerns
};
constexpr std::size_t kVerdicts = static_cast<std::size_t>(Verdict::missed) + 1;

std::string_view name_of(Verdict verdict);

/// Which image the places of a report are taken from.
enum class Places : std::uint8_t {
    of_both,    ///< things lie in the updated image where they lie in the baseline
    of_updated, ///< they do not: only whether the updated functions are reported counts, or anything is refused
};

/// Holds what was reported against what is known of the mutant of `original`. `leads`: with the symbols that patchgen
/// is given; `known`: with all that there are, which tell whether anything uses what changed.
Verdict judge(const RawImage& image, const Leads& leads, const Leads& known, const Mutant& mutant,
              const program::Program& original, const program::Program& updated, const diff::ChangeSet& changes,
              Places places);

} // namespace suture::test
