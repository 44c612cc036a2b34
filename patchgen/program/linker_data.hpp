#pragma once

#include "engine/pe/image.hpp"
#include "engine/pe/relocations.hpp"

#include <span>
#include <vector>

namespace suture::program {

/// Where what compilers and linkers add of their own begins in data sections: nothing of the program goes on there.
///
/// - GCC's notes of its version ("GCC: (GNU) 12.2.0"), which GNU ld puts behind the constants of all objects.
/// - The lists of constructors and destructors that LLVM's linker writes behind them: -1, the functions, 0, each.
///
/// `boundaries`: where something else is known to begin, ascending. The result ascends.
std::vector<Rva> linker_data_of(const pe::Image& image, std::span<const pe::Relocation> relocations,
                                std::span<const Rva> boundaries);

} // namespace suture::program
