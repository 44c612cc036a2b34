#pragma once

#include "patchgen/program/machine_code.hpp"

namespace suture::program::x64 {

/// See MachineCode::follower.
std::unique_ptr<RegisterFollower> make_follower(const Stretch& stretch, std::span<const std::uint32_t> instructions);

} // namespace suture::program::x64
