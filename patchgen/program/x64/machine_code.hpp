#pragma once

#include "patchgen/program/machine_code.hpp"

namespace suture::program::x64 {

const MachineCode& machine_code();

} // namespace suture::program::x64
