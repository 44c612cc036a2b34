#include "patchgen/program/runtime_relocations.hpp"

#include <algorithm>

namespace suture::program {

namespace {

constexpr std::uint32_t kHeader = 12; // two words of 0, and the version of the format
constexpr std::uint32_t kEntry = 12;  // the import's slot, the field, and the field's bits
constexpr std::uint32_t kVersion = 1;

bool is_header(ByteView bytes, std::uint32_t at) {
    return bytes.read<std::uint32_t>(at) == 0u && bytes.read<std::uint32_t>(at + 4) == 0u &&
           bytes.read<std::uint32_t>(at + 8) == kVersion;
}

} // namespace

RuntimeRelocations runtime_relocations_of(const pe::Image& image, std::span<const pe::ImportSlot> imports) {
    RuntimeRelocations found;
    const auto is_slot = [&](Rva at) {
        const auto slot = std::ranges::lower_bound(imports, at, {}, &pe::ImportSlot::slot);
        return slot != imports.end() && slot->slot == at;
    };
    const auto field_of = [&](ByteView bytes, std::uint32_t at) -> std::optional<RvaRange> {
        const auto slot = bytes.read<std::uint32_t>(at), field = bytes.read<std::uint32_t>(at + 4),
                   bits = bytes.read<std::uint32_t>(at + 8);
        if (!bits || !is_slot(Rva{*slot}) || (*bits != 8 && *bits != 16 && *bits != 32 && *bits != 64))
            return std::nullopt;
        const RvaRange range{Rva{*field}, *bits / 8};
        return image.bytes_at(range.begin, range.size) ? std::optional(range) : std::nullopt;
    };
    for (const auto& section : image.sections()) {
        const auto bytes = section.executable() || imports.empty()
                               ? std::nullopt
                               : image.bytes_at(section.range.begin, section.initialised_size());
        for (std::uint32_t at = 0; bytes && at + kHeader + kEntry <= bytes->size(); at += 4) {
            if (!is_header(*bytes, at))
                continue;
            std::uint32_t end = at + kHeader;
            for (auto field = field_of(*bytes, end); field; field = field_of(*bytes, end)) {
                found.fields.push_back(*field);
                end += kEntry;
            }
            if (end == at + kHeader)
                continue;
            found.lists.push_back({section.range.begin + at, end - at});
            at = end - 4;
        }
    }
    std::ranges::sort(found.fields);
    return found;
}

bool is_runtime_list(const Program& program, Rva at) {
    const auto fields = program.runtime_fields();
    const auto bytes = fields.empty() ? std::nullopt : program.image().bytes_at(at, kHeader + kEntry);
    return bytes && is_header(*bytes, 0) &&
           std::ranges::binary_search(fields, Rva{*bytes->read<std::uint32_t>(kHeader + 4)}, {}, &RvaRange::begin);
}

} // namespace suture::program
