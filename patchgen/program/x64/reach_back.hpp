#pragma once

#include "patchgen/program/reach_back.hpp"
#include "patchgen/program/stretch.hpp"

namespace suture::program::x64 {

/// See MachineCode::reach_back.
ReachBack reach_back(const Stretch& stretch, std::span<const std::uint32_t> instructions, std::span<const Cases> cases,
                     std::span<const std::uint32_t> takers);

} // namespace suture::program::x64
