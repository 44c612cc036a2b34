#pragma once

#include "engine/core/hash.hpp"
#include "patchgen/match/places.hpp"

#include <utility>

namespace suture::match {

/// Which function of the baseline is which of the updated image. A relation: where code is folded in one of the images
/// and not in the other, one function corresponds to several. All indices are into Program::functions().
struct Matching {
    std::vector<std::vector<std::uint32_t>> to_updated;  ///< by baseline function, ascending
    std::vector<std::vector<std::uint32_t>> to_baseline; ///< by updated function, ascending
    std::vector<Digest> baseline_fingerprints;
    std::vector<Digest> updated_fingerprints;
    /// What each piece of evidence says of functions that were not paired because it contradicts itself, by updated
    /// function; for people.
    std::vector<std::pair<std::uint32_t, std::string>> conflicts;

    bool related(std::uint32_t baseline, std::uint32_t updated) const;
    bool same_code(std::uint32_t baseline, std::uint32_t updated) const {
        return baseline_fingerprints[baseline] == updated_fingerprints[updated];
    }
    /// Functions of the baseline that have a counterpart.
    std::size_t matched() const;
};

/// Pairs the functions of two programs by exports, names, unique fingerprints, the references of pairs with the same
/// code, and neighbours. Equality decides, never likeness; what two pieces of evidence disagree on is not paired.
/// Whoever uses the result must still compare what each reference of each pair leads to: that, not the pairing, makes
/// it sound. Deterministic.
Matching match(const Places& baseline, const Places& updated);

} // namespace suture::match
