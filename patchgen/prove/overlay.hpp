#pragma once

#include "engine/package/reader.hpp"
#include "patchgen/prove/arm64/lockstep.hpp"
#include "patchgen/prove/place.hpp"

#include <map>

namespace suture::prove {

/// The package as it lies over the baseline in a process, at two pairs of base addresses. What an address means must
/// not depend on the pair.
class Overlay final : public arm64::PatchedCode {
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
    /// Where the 4-byte RVA at `field` leads that code adds to the baseline's base, likewise. It is the same whether
    /// the code extends it with zeros or with its sign.
    std::optional<Place> image_relative(Place field) const;
    /// An Arm64 instruction, with the address fields that the first pair of bases gives it.
    std::optional<std::uint32_t> word(Place place) const override;
    std::optional<Place> address(Place place) const override;
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
    bool lies_behind() const;
    std::optional<std::uint32_t> word_at(const Bases& bases, Place place) const;
    std::optional<Place> place_of(const Bases& bases, std::uint64_t address) const;
    template <class Address>
    std::optional<Place> agreed(Address address) const;

    const program::Program* baseline_;
    const package::Package* package_;
    std::map<Rva, std::uint8_t> adjusted_;
    std::vector<Bases> bases_;
};

} // namespace suture::prove
