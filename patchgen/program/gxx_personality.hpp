#pragma once

#include "patchgen/program/program.hpp"

namespace suture::program {

/// True for GCC's handler for C++, linked statically and without a name (`__gxx_personality_seh0`; libstdc++,
/// libsupc++/eh_personality.cc): it does nothing but hand on to what knows the codes of GCC's exceptions, with a
/// function that knows the class of those of C++. x64 only.
bool is_gxx_personality(const Program& program, const Function& handler);

} // namespace suture::program
