#pragma once

#include "patchgen/program/symbols.hpp"

namespace suture::program {

/// The bytes of an image, and of the file with its symbols.
struct Input {
    std::string path;             ///< of the image, for messages
    Bytes file;                   ///< the image
    std::optional<Bytes> symbols; ///< a PDB or an image with COFF symbols; nothing: the image's own COFF symbols
    bool use_symbols = true;
};

/// Program::load() from memory. Errors: those of load() but for file_unreadable.
Result<std::unique_ptr<const Program>> parse(Input input);

} // namespace suture::program
