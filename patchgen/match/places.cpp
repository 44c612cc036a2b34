#include "patchgen/match/places.hpp"

#include <algorithm>

namespace suture::match {

Places::Places(const program::Program& program) : program_(program), metadata_(metadata_of(program)) {}

const Metadata* Places::metadata_from(Rva rva) const {
    const auto next = std::lower_bound(metadata_.begin(), metadata_.end(), rva,
                                       [](const Metadata& one, Rva at) { return one.range.begin < at; });
    return next == metadata_.end() ? nullptr : &*next;
}

std::span<const pe::Relocation> Places::relocations_in(RvaRange range) const {
    const auto list = program_.relocations();
    const auto before = [](const pe::Relocation& relocation, std::uint64_t at) { return relocation.at.value < at; };
    const auto first = std::lower_bound(list.begin(), list.end(), std::uint64_t{range.begin.value}, before);
    const auto last = std::lower_bound(first, list.end(), range.end(), before);
    return {first, last};
}

Place Places::at(Rva rva) const {
    const pe::Image& image = program_.image();
    if (rva.value < image.size_of_headers())
        return {PlaceKind::header, 0, rva.value};
    if (const pe::ImportSlot* slot = program_.import_at(rva))
        return {PlaceKind::import, static_cast<std::uint32_t>(slot - program_.imports().data()), 0};
    const auto functions = program_.functions();
    const auto next = std::upper_bound(functions.begin(), functions.end(), rva,
                                       [](Rva at, const program::Function& f) { return at < f.range.begin; });
    if (next != functions.begin() && std::prev(next)->range.contains(rva)) {
        const program::Function& function = *std::prev(next);
        return {PlaceKind::function, index_of(function), rva - function.range.begin};
    }
    const auto above = std::upper_bound(metadata_.begin(), metadata_.end(), rva,
                                        [](Rva at, const Metadata& one) { return at < one.range.begin; });
    if (above != metadata_.begin() && std::prev(above)->range.contains(rva)) {
        const auto one = std::prev(above);
        return {PlaceKind::metadata, static_cast<std::uint32_t>(one - metadata_.begin()), rva - one->range.begin};
    }
    if (const program::DataObject* object = program_.data_at(rva))
        return {PlaceKind::data, index_of(*object), rva - object->range.begin};
    const pe::Section* section = image.section_at(rva);
    if (section && section->executable() && next != functions.begin()) {
        const program::Function& function = *std::prev(next);
        return {PlaceKind::gap, index_of(function), rva - function.range.begin};
    }
    const auto sections = image.sections();
    for (std::uint32_t i = 0; i < sections.size(); ++i)
        if (sections[i].range.end() == rva.value)
            return {PlaceKind::end, i, 0};
    return {PlaceKind::outside, 0, rva.value};
}

} // namespace suture::match
