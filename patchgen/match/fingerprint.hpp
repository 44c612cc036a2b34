#pragma once

#include "engine/core/hash.hpp"
#include "patchgen/program/program.hpp"

namespace suture::match {

/// What a function's code is, wherever it and what it refers to lie: its bytes with reference fields masked, how each
/// reference is used, and where branches and jump tables lead inside the function. Functions of equal fingerprints have
/// the same number of references, and the i-th of one corresponds to the i-th of the other.
Digest fingerprint_of(const program::Program& program, const program::Function& function);

/// The bytes of a function, zero fill included; empty if it lies outside the image.
Bytes code_of(const program::Program& program, const program::Function& function);

} // namespace suture::match
