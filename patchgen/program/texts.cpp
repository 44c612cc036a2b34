#include "patchgen/program/texts.hpp"

#include <algorithm>

namespace suture::program {

namespace {

/// Bytes of a run that is remembered, at least: shorter ones are read faster than they are found.
constexpr std::size_t kLongRun = 256;

} // namespace

Texts::Texts(const pe::Image& image) : image_(image) {
    for (const pe::Section& section : image.sections()) {
        const auto bytes = image.bytes_at(section.range.begin, section.initialised_size());
        if (!bytes)
            continue;
        // Each long run holds a byte at a multiple of its least length.
        for (std::size_t at = 0; at < bytes->size(); at += kLongRun) {
            if (!printable((*bytes)[at]))
                continue;
            std::size_t begin = at;
            while (begin > 0 && printable((*bytes)[begin - 1]))
                --begin;
            std::size_t end = at + 1;
            while (end < bytes->size() && printable((*bytes)[end]))
                ++end;
            if (end - begin >= kLongRun)
                runs_.push_back(
                    {section.range.begin + static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)});
            at = end / kLongRun * kLongRun;
        }
    }
}

std::optional<std::string_view> Texts::at(Rva rva) const {
    const auto bytes = image_.bytes_from(rva);
    if (!bytes)
        return std::nullopt;
    const std::size_t room = std::min(bytes->size(), kMaxText);
    std::size_t length = 0;
    while (length < room && length < kLongRun && printable((*bytes)[length]))
        ++length;
    if (length == kLongRun) {
        const auto next = std::ranges::upper_bound(runs_, rva, {}, &RvaRange::begin);
        if (next != runs_.begin() && std::prev(next)->contains(rva))
            length = static_cast<std::size_t>(std::prev(next)->end() - rva.value);
        while (length < room && printable((*bytes)[length])) // in the headers
            ++length;
    }
    if (length >= room || (*bytes)[length] != 0)
        return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(bytes->data()), length);
}

} // namespace suture::program
