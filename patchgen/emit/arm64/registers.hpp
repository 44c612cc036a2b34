#pragma once

#include "patchgen/program/program.hpp"

#include <optional>

namespace suture::emit::arm64 {

/// x16, else x17: a register that code put behind `function` may overwrite, since the function never mentions it and
/// whatever it goes on to may find anything in it. Nothing if neither is free.
std::optional<std::uint32_t> free_register(const program::Program& program, const program::Function& function);

} // namespace suture::emit::arm64
