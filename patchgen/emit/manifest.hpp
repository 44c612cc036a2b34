#pragma once

#include "patchgen/emit/emit.hpp"
#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// File name of a path, whichever separators it has.
std::string file_name_of(std::string_view path);

/// The manifest, but for its fixups. Errors: those of engine/pe.
Result<package::Manifest> make_manifest(const program::Program& baseline, const program::Program& updated,
                                        const diff::ChangeSet& changes, const Layout& layout, const Options& options);

} // namespace suture::emit
