#pragma once

#include "patchgen/diff/pairing.hpp"

namespace suture::diff {

/// Where the updated image has something else in its executable sections, outside of functions, of data that something
/// refers to, and of fill, than the baseline has anywhere; nothing where it has the same, or only more or only less of
/// it. Nothing is known to lead there, so that nobody can say which of it belongs to what.
std::optional<Rva> different_unreached(const Pairing& pairing);

} // namespace suture::diff
