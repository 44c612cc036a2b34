#pragma once

#include "engine/pe/image.hpp"

namespace suture::match {

/// The section of `other` that is what `section` is in `image`, or nullptr: the one with its name. Of several that
/// share a name, which linkers make where their protection differs, the first one is the first one, and so on.
const pe::Section* section_like(const pe::Image& other, const pe::Image& image, const pe::Section& section);

} // namespace suture::match
