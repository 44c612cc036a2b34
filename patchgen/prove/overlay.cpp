#include "patchgen/prove/overlay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::prove {

namespace {

// Any two would do that lie differently to each other: one package above its baseline, one below it.
constexpr Va kLowBaseline{0x1'4000'0000};
constexpr Va kHighBaseline{0x7ff6'5432'0000};
constexpr std::uint64_t kGapAbove = 0x3'0000;
constexpr std::uint64_t kGapBelow = 0x17'0000;
constexpr std::uint64_t kGranularity = 0x1'0000;

std::uint64_t round_up(std::uint64_t size) {
    return (size + kGranularity - 1) / kGranularity * kGranularity;
}

std::int64_t signed_field(ByteView bytes, std::uint64_t at, std::uint8_t size) {
    return size == 1 ? std::int64_t{bytes.read<std::int8_t>(at).value_or(0)}
                     : std::int64_t{bytes.read<std::int32_t>(at).value_or(0)};
}

} // namespace

std::string Place::text() const {
    return fmt::format("{}+0x{:x}", in_package ? "package" : "baseline", rva.value);
}

Result<Overlay> Overlay::make(const program::Program& baseline, const package::Package& package) {
    Overlay overlay(baseline, package);
    for (const pe::Relocation& relocation : package.relocations())
        overlay.adjusted_.emplace(relocation.at, relocation.size);
    for (const package::Fixup& fixup : package.manifest().fixups)
        overlay.adjusted_.emplace(fixup.source,
                                  static_cast<std::uint8_t>(fixup.kind == package::FixupKind::absolute64 ? 8 : 4));
    const std::uint64_t baseline_size = round_up(baseline.image().size_of_image());
    const std::uint64_t package_size = round_up(package.image().size_of_image());
    SUTURE_TRY(auto above, overlay.lay(kLowBaseline, kLowBaseline + baseline_size + kGapAbove));
    SUTURE_TRY(auto below, overlay.lay(kHighBaseline, kHighBaseline - package_size - kGapBelow));
    overlay.bases_.push_back(std::move(above));
    overlay.bases_.push_back(std::move(below));
    return overlay;
}

Result<Overlay::Bases> Overlay::lay(Va baseline, Va package) const {
    const pe::Image& image = package_->image();
    Bases bases{baseline, package, Bytes(image.size_of_image())};
    for (const pe::Section& section : image.sections())
        if (const auto bytes = image.bytes_at(section.range.begin, section.initialised_size()))
            std::ranges::copy(*bytes, bases.image.begin() + section.range.begin.value);
    const auto put = [&](Rva at, const auto& value) {
        std::memcpy(bases.image.data() + at.value, &value, sizeof(value));
    };
    for (const pe::Relocation& relocation : package_->relocations()) {
        const auto value = ByteView(bases.image).read<std::uint64_t>(relocation.at.value);
        if (!value || relocation.size != 8)
            return fail(Error(Code::proof_failed, "a relocation outside the package").at(relocation.at));
        put(relocation.at, *value - image.image_base().value + package.value);
    }
    for (const package::Fixup& fixup : package_->manifest().fixups) {
        const std::uint64_t target =
            baseline.value + fixup.target.value + static_cast<std::uint64_t>(std::int64_t{fixup.addend});
        if (!ByteView(bases.image).contains(fixup.source.value, 8))
            return fail(Error(Code::proof_failed, "a fixup outside the package").at(fixup.source));
        if (fixup.kind == package::FixupKind::absolute64) {
            put(fixup.source, target);
            continue;
        }
        const auto distance = static_cast<std::int64_t>(target - (package.value + fixup.source.value));
        if (distance != static_cast<std::int32_t>(distance))
            return fail(Error(Code::proof_failed, "a fixup does not reach the baseline").at(fixup.source));
        put(fixup.source, static_cast<std::int32_t>(distance));
    }
    return bases;
}

std::optional<Place> Overlay::place_of(const Bases& bases, std::uint64_t address) const {
    if (address - bases.baseline.value < baseline_->image().size_of_image())
        return Place{false, {static_cast<std::uint32_t>(address - bases.baseline.value)}};
    if (address - bases.package.value < bases.image.size())
        return Place{true, {static_cast<std::uint32_t>(address - bases.package.value)}};
    return std::nullopt;
}

template <class Address>
std::optional<Place> Overlay::agreed(Address address) const {
    std::optional<Place> result;
    for (const Bases& bases : bases_) {
        const auto place = place_of(bases, address(bases));
        if (!place || (result && *result != *place))
            return std::nullopt;
        result = place;
    }
    return result;
}

std::optional<Bytes> Overlay::content(Place place, std::uint32_t size) const {
    if (!place.in_package)
        return baseline_->image().content({place.rva, size});
    const pe::Section* section = section_at(place);
    if (!section || !section->range.contains(RvaRange{place.rva, size}))
        return std::nullopt;
    return ByteView(bases_[0].image).slice(place.rva.value, size)->copy();
}

const pe::Section* Overlay::section_at(Place place) const {
    return place.in_package ? package_->image().section_at(place.rva) : baseline_->image().section_at(place.rva);
}

std::optional<Place> Overlay::displaced(Place field, std::uint8_t size, Place origin) const {
    if (!field.in_package) {
        const auto bytes = baseline_->image().bytes_at(field.rva, size);
        if (!bytes)
            return std::nullopt;
        const std::int64_t target = std::int64_t{origin.rva.value} + signed_field(*bytes, 0, size);
        if (target < 0 || target >= std::int64_t{baseline_->image().size_of_image()})
            return std::nullopt;
        return Place{false, {static_cast<std::uint32_t>(target)}};
    }
    return agreed([&](const Bases& bases) {
        return bases.package.value + origin.rva.value +
               static_cast<std::uint64_t>(signed_field(bases.image, field.rva.value, size));
    });
}

std::optional<Place> Overlay::pointer(Place field) const {
    if (!field.in_package) {
        const auto target = baseline_->pointer_at(field.rva);
        return target ? std::optional(Place{false, *target}) : std::nullopt;
    }
    return agreed(
        [&](const Bases& bases) { return ByteView(bases.image).read<std::uint64_t>(field.rva.value).value_or(0); });
}

std::vector<std::uint32_t> Overlay::adjusted(Place place, std::uint32_t size) const {
    std::vector<std::uint32_t> offsets;
    const std::uint64_t end = std::uint64_t{place.rva.value} + size;
    if (place.in_package) {
        for (auto field = adjusted_.lower_bound(place.rva); field != adjusted_.end() && field->first.value < end;
             ++field)
            if (field->second == 8)
                offsets.push_back(field->first - place.rva);
        return offsets;
    }
    const auto list = baseline_->relocations();
    auto field = std::ranges::lower_bound(list, place.rva, {}, &pe::Relocation::at);
    for (; field != list.end() && field->at.value < end; ++field)
        if (field->size == 8)
            offsets.push_back(field->at - place.rva);
    return offsets;
}

} // namespace suture::prove
