#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// The RVA that a pointer stored in the image means, or nothing if it points outside. Pointers are relative to
/// image.image_base(), in the mapped layout too.
inline std::optional<Rva> rva_of(const Image& image, std::uint64_t pointer) {
    const std::uint64_t distance = pointer - image.image_base().value;
    if (pointer < image.image_base().value || distance >= image.size_of_image())
        return std::nullopt;
    return Rva{static_cast<std::uint32_t>(distance)};
}

} // namespace suture::pe
