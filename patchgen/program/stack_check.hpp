#pragma once

#include "patchgen/program/program.hpp"

namespace suture::program {

/// True if the language-specific handler does nothing but look whether the stack was overrun, as __GSHandlerCheck of
/// MSVC does for functions with buffers and nothing to clean up: it has that name, or is small and calls only what
/// compares with the security cookie. An exception passes the function as it does one without a handler.
bool only_checks_stack(const Program& program, Rva handler);

} // namespace suture::program
