#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// Takes room in .rdata for the unwind data of every emitted function and its veneers. Errors: unwind_unsupported,
/// pe_bad_directory.
Result<void> lay_out_unwind(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout);

/// Copies that data into `rdata`, the bytes of the section, and gives the entries for .pdata, ascending.
Result<std::vector<pe::RuntimeFunction>> write_unwind(const program::Program& updated, const diff::ChangeSet& changes,
                                                      const Layout& layout, Bytes& rdata);

} // namespace suture::emit
