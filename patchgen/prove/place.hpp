#pragma once

#include "engine/core/address.hpp"

#include <string>

namespace suture::prove {

/// An address of the patched program: in the baseline or in the package.
struct Place {
    bool in_package = false;
    Rva rva;

    auto operator<=>(const Place&) const = default;
    friend Place operator+(Place place, std::uint32_t bytes) { return {place.in_package, place.rva + bytes}; }
    friend Place operator-(Place place, std::uint32_t bytes) { return {place.in_package, place.rva - bytes}; }
    /// "baseline+0x1000" or "package+0x1000".
    std::string text() const;
};

} // namespace suture::prove
