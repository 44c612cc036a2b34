#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// Takes room in .rdata for the UNWIND_INFO of every emitted function. Errors: unwind_unsupported, pe_bad_directory.
Result<void> lay_out_unwind(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout);

/// Copies the UNWIND_INFO into `rdata`, the bytes of that section, and gives the entries for .pdata, ascending.
Result<std::vector<pe::RuntimeFunction>> write_unwind(const program::Program& updated, const diff::ChangeSet& changes,
                                                      const Layout& layout, Bytes& rdata);

} // namespace suture::emit
