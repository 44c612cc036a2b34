#pragma once

#include "patchgen/program/program.hpp"

#include <span>
#include <vector>

namespace suture::program {

/// What the runtime of MinGW-w64 relocates when an image starts, besides the loader: addresses of variables that are
/// imported without being declared so. Format: winpthreads' and crt's pseudo-reloc.c, version 2 of the list.
struct RuntimeRelocations {
    std::vector<RvaRange> lists;  ///< ascending
    std::vector<RvaRange> fields; ///< what is written to; ascending
};

RuntimeRelocations runtime_relocations_of(const pe::Image& image, std::span<const pe::ImportSlot> imports);

/// Whether one of the program's lists begins at `at`. It is read when the image starts, and tells of that image alone.
bool is_runtime_list(const Program& program, Rva at);

} // namespace suture::program
