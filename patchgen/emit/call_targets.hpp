#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// Fills in what control-flow guard has to know of the package, where it guards the images: which code of the package
/// may be called by its address, and which functions of the baseline that this package is the first to take the address
/// of. The updated image's own table says what its linker let be called so, and goes for the package too.
void add_call_targets(const program::Program& baseline, const program::Program& updated, const diff::ChangeSet& changes,
                      const Layout& layout, package::Manifest& manifest);

} // namespace suture::emit
