#pragma once

#include "patchgen/program/x64/operations.hpp"

namespace suture::program::x64 {

/// Appends the step of the instruction that `code` starts with: what decode_step() says. Few forms that
/// differ in registers and numbers only make up most code: each is decoded once by a thread.
/// False if it cannot be decoded.
bool add_step(ByteView code, Rva at, std::uint32_t offset, std::vector<Step>& steps);

} // namespace suture::program::x64
