#pragma once

#include "engine/pe/image.hpp"
#include "engine/pe/imports.hpp"

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

} // namespace suture::program
