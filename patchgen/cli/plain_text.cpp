#include "patchgen/cli/plain_text.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

namespace suture::cli {

namespace {

struct Character {
    std::uint32_t point = 0;
    std::size_t size = 0; ///< bytes
};

/// The UTF-8 character that `text` begins with (RFC 3629), or nothing.
std::optional<Character> first_of(std::string_view text) {
    constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
    if (size == 0 || size > text.size())
        return std::nullopt;
    std::uint32_t point = size == 1 ? lead : lead & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xc0) != 0x80)
            return std::nullopt;
        point = point << 6 | (next & 0x3f);
    }
    if (point < kSmallest[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return std::nullopt;
    return Character{point, size};
}

/// Controls, marks of direction, what has no width, line and paragraph separators, tags, and what is no character.
bool is_hidden(std::uint32_t point) {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad || point == 0x61c || point == 0x180e ||
           (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb) ||
           (point & 0xfffe) == 0xfffe || (point >= 0xe0000 && point <= 0xe0fff);
}

} // namespace

std::string plain(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto character = first_of(text);
        const std::size_t size = character ? character->size : 1;
        if (!character)
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        else if (is_hidden(character->point))
            result += character->point < 0x80 ? fmt::format("\\x{:02x}", character->point)
                                              : fmt::format("\\u{:04x}", character->point);
        else
            result += text.substr(0, size);
        text.remove_prefix(size);
    }
    return result;
}

std::string plain_cut(std::string_view text, std::size_t most) {
    if (text.size() <= most)
        return plain(text);
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80)
        --most; // to where a character begins
    return plain(text.substr(0, most)) + "...";
}

} // namespace suture::cli
