#include "patchgen/prove/overlay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::prove {

namespace {

// Any two would do that lie differently to each other: one package above its baseline, one below it, unless it may only
// lie above it.
constexpr Va kLowBaseline{0x1'4000'0000};
constexpr Va kHighBaseline{0x7ff6'5432'0000};
constexpr std::uint64_t kGapAbove = 0x3'0000;
constexpr std::uint64_t kGapBelow = 0x17'0000;
constexpr std::uint64_t kWiderGapAbove = 0x2a'0000;
constexpr std::uint64_t kGranularity = 0x1'0000;
constexpr std::uint64_t kInPage = 0xfff;
constexpr std::uint64_t kHighestRva = 0x7fffffff;

std::uint64_t round_up(std::uint64_t size) {
    return (size + kGranularity - 1) / kGranularity * kGranularity;
}

std::int64_t signed_field(ByteView bytes, std::uint64_t at, std::uint8_t size) {
    return size == 1 ? std::int64_t{bytes.read<std::int8_t>(at).value_or(0)}
                     : std::int64_t{bytes.read<std::int32_t>(at).value_or(0)};
}

/// Puts the distance to `target` into the instruction at `pc`. Error: proof_failed.
Result<std::uint32_t> aimed(std::uint32_t word, package::FixupKind kind, std::uint64_t pc, std::uint64_t target) {
    const bool is_page = kind == package::FixupKind::arm64_page21;
    const arm64::Distance distance = arm64::distance_of(word);
    const bool fits = is_page ? distance.form == arm64::Form::adrp
                              : distance.form == arm64::Form::branch || distance.form == arm64::Form::call;
    if (!fits)
        return fail(Code::proof_failed, fmt::format("a fixup of 0x{:08x}, an instruction of another kind", word));
    const auto from = static_cast<std::int64_t>(is_page ? pc & ~kInPage : pc);
    const auto to = static_cast<std::int64_t>(is_page ? target & ~kInPage : target);
    const std::int64_t value = is_page ? (to - from) >> 12 : (to - from) >> 2;
    const auto low = static_cast<std::uint32_t>(value);
    word &= ~distance.mask;
    word |= is_page ? (low & 3) << 29 | (low >> 2 & 0x7ffff) << 5 : low & distance.mask;
    // It reads back as what was to be put, or it did not fit.
    if (arm64::address_of(word, pc) != static_cast<std::uint64_t>(to))
        return fail(Code::proof_failed, "a fixup does not reach the baseline");
    return word;
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
    SUTURE_TRY(auto other,
               overlay.lay(kHighBaseline, overlay.lies_behind() ? kHighBaseline + baseline_size + kWiderGapAbove
                                                                : kHighBaseline - package_size - kGapBelow));
    overlay.bases_.push_back(std::move(above));
    overlay.bases_.push_back(std::move(other));
    return overlay;
}

/// True if the package is refused wherever it does not lie behind the baseline.
bool Overlay::lies_behind() const {
    return std::ranges::any_of(package_->manifest().fixups, [](const package::Fixup& fixup) {
        return fixup.kind == package::FixupKind::image_relative32;
    });
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
        if (fixup.kind == package::FixupKind::arm64_page21 || fixup.kind == package::FixupKind::arm64_branch26) {
            const std::uint32_t word = *ByteView(bases.image).read<std::uint32_t>(fixup.source.value);
            auto put_right = aimed(word, fixup.kind, package.value + fixup.source.value, target);
            if (!put_right || fixup.source.value % arm64::kWordSize != 0)
                return fail(Error(Code::proof_failed,
                                  put_right ? "a fixup between two instructions" : put_right.error().detail())
                                .at(fixup.source));
            put(fixup.source, *put_right);
            continue;
        }
        if (fixup.kind == package::FixupKind::image_relative32) {
            const std::uint64_t rva = package.value + fixup.target.value - baseline.value;
            if (rva > kHighestRva || fixup.addend != 0)
                return fail(Error(Code::proof_failed, "a fixup that is no RVA").at(fixup.source));
            put(fixup.source, static_cast<std::uint32_t>(rva));
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

std::optional<Place> Overlay::image_relative(Place field) const {
    if (!field.in_package) {
        const auto rva = baseline_->image().read<std::uint32_t>(field.rva);
        return rva && *rva < baseline_->image().size_of_image() ? std::optional(Place{false, {*rva}}) : std::nullopt;
    }
    return agreed([&](const Bases& bases) {
        const std::uint32_t rva = ByteView(bases.image).read<std::uint32_t>(field.rva.value).value_or(UINT32_MAX);
        return rva <= kHighestRva ? bases.baseline.value + rva : 0;
    });
}

std::optional<std::uint32_t> Overlay::word_at(const Bases& bases, Place place) const {
    if (place.rva.value % arm64::kWordSize != 0)
        return std::nullopt;
    if (place.in_package)
        return ByteView(bases.image).read<std::uint32_t>(place.rva.value);
    const auto bytes = baseline_->image().bytes_at(place.rva, arm64::kWordSize);
    return bytes ? bytes->read<std::uint32_t>(0) : std::nullopt;
}

std::optional<std::uint32_t> Overlay::word(Place place) const {
    const pe::Section* section = section_at(place);
    return section && section->executable() ? word_at(bases_[0], place) : std::nullopt;
}

std::optional<Place> Overlay::address(Place place) const {
    if (!word(place))
        return std::nullopt;
    return agreed([&](const Bases& bases) {
        const Va base = place.in_package ? bases.package : bases.baseline;
        return arm64::address_of(word_at(bases, place).value_or(0), base.value + place.rva.value);
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
