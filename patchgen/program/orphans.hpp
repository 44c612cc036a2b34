#pragma once

#include "patchgen/program/code.hpp"

namespace suture::program {

/// Functions that nothing is known to lead to, as leaf functions without unwind data are that are called by nobody.
struct Orphans {
    std::vector<Start> starts; ///< ascending
    std::vector<DecodedCode> codes;
};

/// What lies between known code, if all of it is code and fill. `map`: all other code, with its tables. `pointers`:
/// what relocated fields hold, ascending. What something refers to and was not understood as code is none, nor is what
/// lies beside it.
Orphans find_orphans(const pe::Image& image, std::span<const pe::Relocation> relocations,
                     std::optional<Rva> guard_check, std::span<const Rva> pointers, const CodeMap& map);

} // namespace suture::program
