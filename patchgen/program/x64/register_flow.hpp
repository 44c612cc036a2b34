#pragma once

#include "patchgen/program/machine_code.hpp"
#include "patchgen/program/x64/operations.hpp"

namespace suture::program::x64 {

/// Follows addresses through the registers.
RegisterFlow follow_registers(const Stretch& stretch, std::span<const Step> steps, const FlowHints& hints, Reach reach);

} // namespace suture::program::x64
