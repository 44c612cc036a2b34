#include "patchgen/match/places.hpp"

#include <algorithm>

namespace suture::match {

Places::Places(const program::Program& program)
    : program_(program), metadata_(metadata_of(program)),
      metadata_index_(
          program::index_of_begins(metadata_, [](const Metadata& metadata) { return metadata.range.begin; })),
      texts_(program.image()) {}

const Metadata* Places::metadata_from(Rva rva) const {
    std::size_t next = metadata_index_.up_to(rva);
    if (next != 0 && metadata_[next - 1].range.begin == rva)
        --next; // no two begin together
    return next == metadata_.size() ? nullptr : &metadata_[next];
}

std::span<const pe::Relocation> Places::relocations_in(RvaRange range) const {
    const auto list = program_.relocations();
    const auto before = [](const pe::Relocation& relocation, std::uint64_t at) { return relocation.at.value < at; };
    const auto first = std::lower_bound(list.begin(), list.end(), std::uint64_t{range.begin.value}, before);
    const auto last = std::lower_bound(first, list.end(), range.end(), before);
    return {first, last};
}

std::span<const program::AddressWord> Places::words_in(RvaRange range) const {
    const auto list = program_.address_words();
    const auto before = [](const program::AddressWord& word, std::uint64_t at) { return word.at.value < at; };
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
    const auto next = static_cast<std::uint32_t>(program_.functions_up_to(rva));
    if (next != 0 && functions[next - 1].range.contains(rva))
        return {PlaceKind::function, next - 1, rva - functions[next - 1].range.begin};
    const auto above = static_cast<std::uint32_t>(metadata_index_.up_to(rva));
    if (above != 0 && metadata_[above - 1].range.contains(rva))
        return {PlaceKind::metadata, above - 1, rva - metadata_[above - 1].range.begin};
    if (const program::DataObject* object = program_.data_at(rva))
        return {PlaceKind::data, index_of(*object), rva - object->range.begin};
    const pe::Section* section = image.section_at(rva);
    if (section && section->executable() && next != 0)
        return {PlaceKind::gap, next - 1, rva - functions[next - 1].range.begin};
    const auto sections = image.sections();
    for (std::uint32_t i = 0; i < sections.size(); ++i)
        if (sections[i].range.end() == rva.value)
            return {PlaceKind::end, i, 0};
    return {PlaceKind::outside, 0, rva.value};
}

} // namespace suture::match
