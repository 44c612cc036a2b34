#pragma once

#include "patchgen/program/symbols.hpp"

namespace suture::program {

/// The COFF symbol table of an image in file layout (Microsoft PE Format, "COFF Symbol Table"); empty where it has
/// none. Errors: symbols_unreadable.
Result<Symbols> read_coff_symbols(const pe::Image& image);

/// Whether symbols that were read from the image `of` describe `image`. Error: symbols_mismatch.
Result<void> check_same_build(const pe::Image& image, const pe::Image& of);

} // namespace suture::program
