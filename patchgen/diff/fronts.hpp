#pragma once

#include "patchgen/diff/contents.hpp"

namespace suture::diff {

/// A function that gets in front of an address that it takes, where the two images differ.
struct DifferentFront {
    Edge edge;                           ///< the function, in both
    const program::Reference* reference; ///< of the updated one
};

/// Of pairs that do not differ otherwise: those which count back from an address into read-only data that does.
std::vector<DifferentFront> different_fronts(const Pairing& pairing, Contents& contents, std::span<const Edge> equal);

} // namespace suture::diff
