#pragma once

#include "patchgen/program/stretch.hpp"

namespace suture::program::x64 {

/// See MachineCode::counts_from.
bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                 std::span<const std::uint32_t> cases, std::uint32_t instruction, std::uint32_t size);

/// True if code may subtract something from that address, or add something to it of which nothing is known.
bool may_count_back(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                    std::span<const std::uint32_t> cases, std::uint32_t instruction);

} // namespace suture::program::x64
