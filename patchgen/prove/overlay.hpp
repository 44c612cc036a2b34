#pragma once

#include "engine/package/reader.hpp"
#include "patchgen/program/program.hpp"

#include <array>
#include <map>
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

/// The package as it lies over the baseline in a process, at two pairs of base addresses. What an address means must
/// not depend on the pair.
class Overlay {
  public:
    /// Both must outlive it. Error: proof_failed (a fixup that does not reach).
    static Result<Overlay> make(const program::Program& baseline, const package::Package& package);

    const program::Program& baseline() const { return *baseline_; }
    const package::Package& package() const { return *package_; }

    /// Content at `place`, zero fill included; nothing if part of it is in no section.
    std::optional<Bytes> content(Place place, std::uint32_t size) const;
    /// The section that holds `place`, or nullptr.
    const pe::Section* section_at(Place place) const;
    /// Where a displacement at `field` of `size` bytes (1 or 4) leads that counts from `origin`, or nothing if that is
    /// nowhere or depends on the bases.
    std::optional<Place> displaced(Place field, std::uint8_t size, Place origin) const;
    /// Where the 8-byte pointer at `field` leads, likewise; nothing where it is not adjusted to the bases.
    std::optional<Place> pointer(Place field) const;
    /// Fields in [place, place + size) that are adjusted to the bases and hold 8 bytes, as offsets, ascending.
    std::vector<std::uint32_t> adjusted(Place place, std::uint32_t size) const;
    /// All fields of the package that are adjusted to the bases: RVA and bytes.
    const std::map<Rva, std::uint8_t>& adjusted_in_package() const { return adjusted_; }

  private:
    struct Bases {
        Va baseline;
        Va package;
        Bytes image; ///< of the package, adjusted
    };

    Overlay(const program::Program& baseline, const package::Package& package)
        : baseline_(&baseline), package_(&package) {}
    Result<Bases> lay(Va baseline, Va package) const;
    std::optional<Place> place_of(const Bases& bases, std::uint64_t address) const;
    template <class Address>
    std::optional<Place> agreed(Address address) const;

    const program::Program* baseline_;
    const package::Package* package_;
    std::map<Rva, std::uint8_t> adjusted_;
    std::vector<Bases> bases_;
};

} // namespace suture::prove
