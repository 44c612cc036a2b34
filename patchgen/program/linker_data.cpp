#include "patchgen/program/linker_data.hpp"

#include <algorithm>
#include <string_view>

namespace suture::program {

namespace {

constexpr std::string_view kNote = "GCC: (";
/// Longest note, in bytes: the name of a distribution's package is part of it.
constexpr std::size_t kMaxNote = 256;
/// Most zeros between two notes, in bytes.
constexpr std::size_t kMaxPadding = 32;
/// Most functions in a list that is looked for: beyond some hundred, programs use other lists.
constexpr std::uint32_t kMaxList = 4096;

/// Bytes of the note at the start of `text`, padding included, or 0.
std::size_t note_at(std::string_view text) {
    if (!text.starts_with(kNote))
        return 0;
    const std::size_t end = text.substr(0, kMaxNote).find('\0');
    if (end == std::string_view::npos || text.substr(0, end).find(") ") == std::string_view::npos)
        return 0;
    const std::size_t next = text.find_first_not_of('\0', end);
    return std::min(next == std::string_view::npos ? text.size() : next, end + kMaxPadding);
}

/// The first note that only notes follow up to `end`; notes are aligned to 4 bytes.
void add_notes(const pe::Section& section, std::string_view text, std::vector<Rva>& found) {
    for (std::size_t at = text.find(kNote); at != std::string_view::npos; at = text.find(kNote, at + 1)) {
        if (at % 4 != 0 || note_at(text.substr(at)) == 0)
            continue;
        found.push_back(section.range.begin + static_cast<std::uint32_t>(at));
        while (const std::size_t size = note_at(text.substr(at)))
            at += size;
        if (at >= text.size())
            return;
    }
}

/// Two lists that end at `end`, but for zeros that align what follows.
void add_lists(const pe::Image& image, std::span<const pe::Relocation> relocations, const pe::Section& section, Rva end,
               std::vector<Rva>& found) {
    const auto word = [&](Rva at) { return section.range.contains(at) ? image.read<std::uint64_t>(at) : std::nullopt; };
    const auto relocated = [&](Rva at) { return std::ranges::binary_search(relocations, at, {}, &pe::Relocation::at); };
    Rva at{end.value & ~7u};
    for (int list = 0; list < 2; ++list) {
        if (at.value < section.range.begin.value + 16)
            return;
        at = at - 8;
        if (word(at) != 0)
            return;
        std::uint32_t functions = 0;
        while (at.value >= section.range.begin.value + 8 && relocated(at - 8) && functions++ < kMaxList)
            at = at - 8;
        if (at.value < section.range.begin.value + 8 || word(at - 8) != ~std::uint64_t{0})
            return;
        at = at - 8;
    }
    found.push_back(at);
}

} // namespace

std::vector<Rva> linker_data_of(const pe::Image& image, std::span<const pe::Relocation> relocations,
                                std::span<const Rva> boundaries) {
    std::vector<Rva> found;
    for (const pe::Section& section : image.sections()) {
        const auto bytes = image.bytes_at(section.range.begin, section.initialised_size());
        if (section.writable() || section.executable() || section.discardable() || !bytes || bytes->empty())
            continue;
        add_notes(section, {reinterpret_cast<const char*>(bytes->data()), bytes->size()}, found);
        const auto first = std::ranges::upper_bound(boundaries, section.range.begin);
        for (auto end = first; end != boundaries.end() && end->value < section.range.end(); ++end)
            add_lists(image, relocations, section, *end, found);
        add_lists(image, relocations, section,
                  Rva{section.range.begin.value + static_cast<std::uint32_t>(bytes->size())}, found);
    }
    std::ranges::sort(found);
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

} // namespace suture::program
