#pragma once

#include "patchgen/program/stretch.hpp"

namespace suture::program::arm64 {

/// See MachineCode::counts_from.
bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> cases, std::uint32_t instruction,
                 std::uint32_t size);

} // namespace suture::program::arm64
