#pragma once

#include "engine/core/hash.hpp"
#include "engine/pe/image.hpp"
#include "engine/pe/relocations.hpp"

#include <array>

namespace suture::pe {

/// What says that an image *is* the baseline, header level.
struct HeaderIdentity {
    Machine machine = Machine::x64;
    std::uint32_t time_date_stamp = 0;
    std::uint32_t checksum = 0;
    std::uint32_t size_of_image = 0;
    bool has_pdb = false;
    std::array<std::uint8_t, 16> pdb_guid{};
    std::uint32_t pdb_age = 0;

    auto operator<=>(const HeaderIdentity&) const = default;
};

/// An executable section and the XXH3-128 of its bytes with relocated fields and import slots masked.
struct SectionIdentity {
    RvaRange range; ///< VirtualAddress and VirtualSize
    Digest digest;

    auto operator<=>(const SectionIdentity&) const = default;
};

/// Errors: pe_bad_directory.
Result<HeaderIdentity> header_identity_of(const Image& image);

/// Bytes that stand in for those of the image when it is hashed (known sites put back to their originals).
struct Overlay {
    Rva at;
    Bytes bytes;
};

/// Fields that do not count: base relocations, and the import address table where it lies in code. Ascending,
/// not overlapping. Errors: pe_bad_directory.
Result<std::vector<RvaRange>> masked_fields_of(const Image& image);

/// XXH3-128 of `range` (initialised bytes and zero fill) with every byte that lies in `masked` hashed as zero and
/// `overlays` in place of what stands there. `range` must lie in one section, else pe_truncated.
Result<Digest> masked_digest(const Image& image, RvaRange range, std::span<const RvaRange> masked,
                             std::span<const Overlay> overlays = {});

/// All executable sections, in ascending order. Errors: as masked_digest.
Result<std::vector<SectionIdentity>> section_identities_of(const Image& image, std::span<const RvaRange> masked,
                                                           std::span<const Overlay> overlays = {});

} // namespace suture::pe
