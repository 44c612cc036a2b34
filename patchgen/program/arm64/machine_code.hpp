#pragma once

#include "patchgen/program/machine_code.hpp"

namespace suture::program::arm64 {

const MachineCode& machine_code();

} // namespace suture::program::arm64
