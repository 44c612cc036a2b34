#include "loader/trust/pem.hpp"

#include <string>

namespace suture::trust {

namespace {

std::optional<Bytes> parse_base64(std::string_view text) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    Bytes bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t bits = 0;
    std::size_t digits = 0;
    std::size_t fill = 0;
    for (const char character : text) {
        if (character == '\r' || character == '\n' || character == ' ' || character == '\t')
            continue;
        const std::size_t value = kDigits.find(character);
        if (character == '=')
            ++fill;
        else if (value == std::string_view::npos || fill != 0)
            return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(character == '=' ? 0 : value);
        if (++digits % 4 == 0)
            for (const int shift : {16, 8, 0})
                bytes.push_back(static_cast<std::uint8_t>(bits >> shift));
    }
    if (digits % 4 != 0 || fill > 2 || fill > bytes.size())
        return std::nullopt;
    bytes.resize(bytes.size() - fill);
    return bytes;
}

} // namespace

std::optional<std::vector<Bytes>> parse_pem(ByteView file, std::string_view label) {
    const std::string begin = "-----BEGIN " + std::string(label) + "-----";
    const std::string end = "-----END " + std::string(label) + "-----";
    std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    std::vector<Bytes> blocks;
    for (;;) {
        const std::size_t from = text.find(begin);
        if (from == std::string_view::npos)
            return blocks;
        text.remove_prefix(from + begin.size());
        const std::size_t to = text.find(end);
        auto block = to == std::string_view::npos ? std::nullopt : parse_base64(text.substr(0, to));
        if (!block)
            return std::nullopt;
        blocks.push_back(std::move(*block));
        text.remove_prefix(to + end.size());
    }
}

} // namespace suture::trust
