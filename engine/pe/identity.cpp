#include "engine/pe/identity.hpp"

#include "engine/pe/debug.hpp"
#include "engine/pe/imports.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::pe {

namespace {

constexpr std::uint64_t kChunk = 64 * 1024;
constexpr std::uint32_t kPointerSize = 8;

/// A piece of a section as it is hashed: in place where it can be, else as a copy with overlays and masks applied.
class Pieces {
  public:
    Pieces(const Image& image, std::span<const RvaRange> masked, std::span<const Overlay> overlays)
        : image_(image), masked_(masked), overlays_(overlays) {}

    /// `piece` must lie in one section and be no larger than kChunk. Valid until the next call.
    ByteView at(RvaRange piece) {
        auto mask = std::ranges::upper_bound(masked_, std::uint64_t{piece.begin.value}, {}, &RvaRange::end);
        const bool any_mask = mask != masked_.end() && mask->overlaps(piece);
        const bool any_overlay = std::ranges::any_of(overlays_, [&](const Overlay& o) { return overlaps(o, piece); });
        const auto held = image_.bytes_from(piece.begin);
        if (held && held->size() >= piece.size && !any_mask && !any_overlay)
            return *held->slice(0, piece.size);

        buffer_.assign(piece.size, 0);
        if (held)
            std::copy_n(held->begin(), std::min<std::size_t>(held->size(), piece.size), buffer_.begin());
        for (const Overlay& overlay : overlays_) {
            if (!overlaps(overlay, piece))
                continue;
            const std::uint64_t from = std::max(overlay.at.value, piece.begin.value);
            const std::uint64_t to = std::min(overlay.at.value + std::uint64_t{overlay.bytes.size()}, piece.end());
            std::copy_n(overlay.bytes.begin() + static_cast<std::ptrdiff_t>(from - overlay.at.value), to - from,
                        buffer_.begin() + static_cast<std::ptrdiff_t>(from - piece.begin.value));
        }
        for (; mask != masked_.end() && mask->overlaps(piece); ++mask) {
            const std::uint64_t from = std::max(mask->begin.value, piece.begin.value);
            const std::uint64_t to = std::min(mask->end(), piece.end());
            std::fill_n(buffer_.begin() + static_cast<std::ptrdiff_t>(from - piece.begin.value), to - from,
                        std::uint8_t{0});
        }
        return buffer_;
    }

  private:
    static bool overlaps(const Overlay& overlay, RvaRange piece) {
        return overlay.at.value < piece.end() &&
               piece.begin.value < overlay.at.value + std::uint64_t{overlay.bytes.size()};
    }

    const Image& image_;
    std::span<const RvaRange> masked_;
    std::span<const Overlay> overlays_;
    Bytes buffer_;
};

/// Where the loader writes addresses into code: some linkers merge the import address table into `.text`.
Result<void> add_imports_in_code(const Image& image, std::vector<RvaRange>& fields) {
    const RvaRange table = image.directory(Directory::iat);
    for (const Section& section : image.sections()) {
        if (!section.executable() || !section.range.overlaps(table))
            continue;
        const Rva begin = std::max(section.range.begin, table.begin);
        const std::uint64_t end = std::min(section.range.end(), table.end());
        fields.push_back({begin, static_cast<std::uint32_t>(end - begin.value)});
    }
    SUTURE_TRY(const auto slots, imports_of(image));
    for (const ImportSlot& slot : slots) {
        const Section* section = image.section_at(slot.slot);
        if (section && section->executable())
            fields.push_back({slot.slot, kPointerSize});
    }
    return {};
}

} // namespace

Result<HeaderIdentity> header_identity_of(const Image& image) {
    SUTURE_TRY(const auto debug, debug_info_of(image));
    HeaderIdentity identity;
    identity.machine = image.machine();
    identity.time_date_stamp = image.time_date_stamp();
    identity.checksum = image.checksum();
    identity.size_of_image = image.size_of_image();
    identity.has_pdb = debug.has_pdb;
    identity.pdb_guid = debug.guid;
    identity.pdb_age = debug.age;
    return identity;
}

Result<std::vector<RvaRange>> masked_fields_of(const Image& image) {
    SUTURE_TRY(const auto relocations, relocations_of(image));
    std::vector<RvaRange> fields;
    fields.reserve(relocations.size());
    for (const Relocation& relocation : relocations)
        fields.push_back({relocation.at, relocation.size});
    SUTURE_CHECK(add_imports_in_code(image, fields));

    std::ranges::sort(fields);
    std::vector<RvaRange> merged;
    merged.reserve(fields.size());
    for (const RvaRange& field : fields) {
        if (!merged.empty() && field.begin.value < merged.back().end()) {
            const std::uint64_t end = std::max(merged.back().end(), field.end());
            merged.back().size = static_cast<std::uint32_t>(end - merged.back().begin.value);
        } else {
            merged.push_back(field);
        }
    }
    return merged;
}

Result<Digest> masked_digest(const Image& image, RvaRange range, std::span<const RvaRange> masked,
                             std::span<const Overlay> overlays) {
    if (!image.in_one_section(range))
        return fail(Error(Code::pe_truncated, fmt::format("0x{:x} bytes are not inside one section", range.size))
                        .at(range.begin));
    Pieces pieces(image, masked, overlays);
    if (range.size <= kChunk)
        return digest_of(pieces.at(range));
    Hasher hasher;
    for (std::uint64_t at = range.begin.value; at < range.end(); at += kChunk) {
        const std::uint64_t size = std::min(kChunk, range.end() - at);
        hasher.add(pieces.at({{static_cast<std::uint32_t>(at)}, static_cast<std::uint32_t>(size)}));
    }
    return hasher.finish();
}

Result<std::vector<SectionIdentity>> section_identities_of(const Image& image, std::span<const RvaRange> masked,
                                                           std::span<const Overlay> overlays) {
    std::vector<SectionIdentity> identities;
    for (const Section& section : image.sections()) {
        if (!section.executable() || section.range.size == 0)
            continue;
        SUTURE_TRY(const Digest digest, masked_digest(image, section.range, masked, overlays));
        identities.push_back({section.range, digest});
    }
    return identities;
}

} // namespace suture::pe
