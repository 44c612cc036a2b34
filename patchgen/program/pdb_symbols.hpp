#pragma once

#include "patchgen/program/symbols.hpp"

namespace suture::program {

/// True if the file starts like a PDB.
bool is_pdb(ByteView bytes);

/// What a PDB says of the image it was made with. Errors: symbols_unreadable, symbols_mismatch (GUID or age are not
/// those of `debug`), symbols_unsupported (built without LLVM).
Result<Symbols> read_pdb_symbols(ByteView pdb, const pe::Image& image, const pe::DebugInfo& debug);

} // namespace suture::program
