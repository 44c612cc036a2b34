#pragma once

#include "patchgen/prove/arm64/lockstep.hpp"

#include <expected>

namespace suture::prove::arm64 {

/// What a veneer does that stands for one instruction.
struct Veneer {
    std::uint32_t size = 0;    ///< bytes
    Place place;               ///< the address that it makes, loads from or stores to
    Registers clobbered = 0;   ///< registers that the instruction would have left alone
    std::vector<Place> fields; ///< its words that make addresses
};

/// Runs the veneer at `at`, which must do what the instruction `stands_for` does (an adr, a load of a literal, or an
/// instruction that goes on from a page) and lead to `back`. Registers hold what they hold before the instruction.
/// Error: why it does not.
std::expected<Veneer, std::string> run_veneer(const PatchedCode& patched, Place at, Place back,
                                              std::uint32_t stands_for);

} // namespace suture::prove::arm64
