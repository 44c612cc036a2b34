#pragma once

#include "patchgen/program/program.hpp"

namespace suture::program {

/// Lists of functions that run while the image starts, by their form and by the code that takes their addresses, where
/// nothing names them: what Microsoft's runtime is given both ends of, null at either end, and GCC's constructors.
std::vector<RvaRange> initialiser_lists_of(const Program& program);

} // namespace suture::program
