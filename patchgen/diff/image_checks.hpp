#pragma once

#include "patchgen/diff/contents.hpp"

namespace suture::diff {

/// What speaks against any hotpatch between two images, whatever functions changed: their kind, exports, entry point,
/// thread-local data, static initialisers, and what writable data the running process has that the updated image
/// starts with differently. `changed`: functions that differ. Ascending by code, then by place.
std::vector<Error> check_images(const Pairing& pairing, Contents& contents, const std::set<Edge>& changed);

/// Why two images are no two versions of one, or nothing.
std::optional<Error> check_related(const program::Program& baseline, const program::Program& updated);

} // namespace suture::diff
