#include "engine/package/plain_text.hpp"

#include <cstddef>
#include <cstdint>

namespace suture::package {

bool is_plain_text(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<std::uint8_t>(text[i]);
        if (first < 0x80) {
            if (first < 0x20 || first == 0x7f)
                return false;
            ++i;
            continue;
        }
        const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        if (first < 0xc2 || first > 0xf4 || text.size() - i < length)
            return false;
        std::uint32_t point = first & (0x7fu >> length);
        for (std::size_t k = 1; k < length; ++k) {
            const auto next = static_cast<std::uint8_t>(text[i + k]);
            if ((next & 0xc0) != 0x80)
                return false;
            point = (point << 6) | (next & 0x3f);
        }
        const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
        const bool surrogate = point >= 0xd800 && point < 0xe000;
        if (overlong || surrogate || point > 0x10ffff || point < 0xa0)
            return false;
        i += length;
    }
    return true;
}

} // namespace suture::package
