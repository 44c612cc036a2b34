#include "loader/trust/name.hpp"

#include "loader/trust/der.hpp"
#include "loader/trust/oid.hpp"

#include <fmt/format.h>

#include <iterator>

namespace suture::trust {

namespace {

struct Attribute {
    std::uint8_t last; ///< of 2.5.4.x
    const char* text;
};
constexpr Attribute kAttributes[] = {{3, "CN"}, {5, "serialNumber"}, {6, "C"},  {7, "L"},
                                     {8, "ST"}, {9, "street"},       {10, "O"}, {11, "OU"}};
constexpr auto kMail = oid::bytes(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1);
constexpr auto kDomain = oid::bytes(0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25);

std::string text_of_kind(ByteView kind) {
    if (kind.size() == 3 && kind[0] == 0x55 && kind[1] == 4)
        for (const Attribute& one : kAttributes)
            if (one.last == kind[2])
                return one.text;
    if (kind == kMail)
        return "emailAddress";
    if (kind == kDomain)
        return "DC";
    return fmt::format("{:02x}", fmt::join(kind, ""));
}

void append(std::string& text, std::uint32_t character) {
    const auto add = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (character < 0x20 || character == 0x7f) {
        fmt::format_to(std::back_inserter(text), "\\{:02X}", character);
    } else if (character < 0x80) {
        add(character);
    } else if (character < 0x800) {
        add(0xc0 | character >> 6);
        add(0x80 | (character & 0x3f));
    } else if (character < 0x10000) {
        add(0xe0 | character >> 12);
        add(0x80 | (character >> 6 & 0x3f));
        add(0x80 | (character & 0x3f));
    } else {
        add(0xf0 | character >> 18);
        add(0x80 | (character >> 12 & 0x3f));
        add(0x80 | (character >> 6 & 0x3f));
        add(0x80 | (character & 0x3f));
    }
}

bool is_character(std::uint32_t character) {
    return character < 0xd800 || (character > 0xdfff && character < 0x110000);
}

/// The bytes of one character of UTF-8 at the start; none where there is no valid one.
std::size_t take_utf8(ByteView bytes, std::uint32_t& character) {
    const std::uint8_t first = bytes[0];
    if (first < 0x80)
        return character = first, 1;
    const std::size_t size = first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (size == 0 || first >= 0xf8 || size > bytes.size())
        return 0;
    character = first & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (bytes[i] & 0x3f);
    }
    return character >= kLeast[size] && is_character(character) ? size : 0;
}

void append(std::string& text, const DerValue& value) {
    ByteView rest = value.content;
    while (!rest.empty()) {
        std::uint32_t character = rest[0];
        std::size_t size = 1;
        if (value.tag == DerTag::bmp_string && rest.size() >= 2) {
            size = 2;
            character = static_cast<std::uint32_t>(rest[0] << 8 | rest[1]);
            if (!is_character(character))
                character = '?';
        } else if (value.tag == DerTag::utf8_string) {
            size = take_utf8(rest, character);
        } else if (value.tag != DerTag::teletex_string && character >= 0x80) { // taken for Latin-1, as others do
            size = 0;
        }
        if (size == 0)
            fmt::format_to(std::back_inserter(text), "\\{:02X}", rest[0]);
        else
            append(text, character);
        rest = *rest.from(size == 0 ? 1 : size);
    }
}

} // namespace

std::string text_of_name(ByteView name) {
    std::string text;
    DerReader parts = DerReader(name).enter(DerTag::sequence);
    while (!parts.failed() && !parts.empty()) {
        DerReader set = parts.enter(DerTag::set);
        for (bool first = true; !set.failed() && !set.empty(); first = false) {
            DerReader one = set.enter(DerTag::sequence);
            const ByteView kind = one.take(DerTag::object_identifier).content;
            const DerValue value = one.take();
            if (one.failed())
                return "a name that cannot be shown";
            if (!text.empty())
                text += first ? ", " : " + ";
            text += text_of_kind(kind) + " = ";
            append(text, value);
        }
        if (set.failed())
            return "a name that cannot be shown";
    }
    return parts.failed() ? "a name that cannot be shown" : text.empty() ? "no name" : text;
}

} // namespace suture::trust
