#include "patchgen/match/sections.hpp"

namespace suture::match {

const pe::Section* section_like(const pe::Image& other, const pe::Image& image, const pe::Section& section) {
    std::size_t before = 0;
    for (const pe::Section& one : image.sections())
        if (one.name == section.name && one.range.begin < section.range.begin)
            ++before;
    for (const pe::Section& one : other.sections())
        if (one.name == section.name && before-- == 0)
            return &one;
    return nullptr;
}

} // namespace suture::match
