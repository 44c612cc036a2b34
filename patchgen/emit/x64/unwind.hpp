#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit::x64 {

/// Room for the UNWIND_INFO of every emitted function, whose entries cover nothing but emitted code. Errors:
/// unwind_unsupported, pe_bad_directory.
Result<void> lay_out_unwind(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout);

/// Writes them into `rdata`, and gives the entries for .pdata in any order.
Result<std::vector<pe::RuntimeFunction>> write_unwind(const program::Program& updated, const diff::ChangeSet& changes,
                                                      const Layout& layout, Bytes& rdata);

} // namespace suture::emit::x64
