#include "patchgen/match/fingerprint.hpp"

#include <algorithm>

namespace suture::match {

namespace {

void put(Bytes& out, std::uint32_t value) {
    const std::size_t at = out.size();
    out.resize(at + 4);
    for (unsigned i = 0; i < 4; ++i)
        out[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

/// Bytes that a reference adds to what is hashed, and room for what most functions have besides.
constexpr std::size_t kReferenceBytes = 20;
constexpr std::size_t kRoom = 64;

/// Offset of `target` in the function, or -1 where it is elsewhere.
std::uint32_t inside(const program::Function& function, Rva target) {
    return function.range.contains(target) ? target - function.range.begin : ~0u;
}

} // namespace

Bytes code_of(const program::Program& program, const program::Function& function) {
    const auto code = program.image().bytes_at(function.range.begin, function.range.size);
    if (code)
        return code->copy();
    return program.image().content(function.range).value_or(Bytes{});
}

Digest fingerprint_of(const program::Program& program, const program::Function& function) {
    Bytes text = code_of(program, function);
    text.reserve(text.size() + kReferenceBytes * function.references.size() + kRoom);
    for (const program::Reference& reference : function.references) {
        const std::uint32_t mask = program::immediate_mask(reference.kind);
        for (std::uint32_t i = 0; i < reference.size && std::uint64_t{reference.offset} + i < text.size(); ++i)
            text[reference.offset + i] &= static_cast<std::uint8_t>(~(mask >> 8 * (i % 4)));
    }
    for (const program::JumpTable& table : function.jump_tables)
        if (function.range.contains(table.range()))
            std::fill_n(text.begin() + (table.at - function.range.begin),
                        std::min<std::size_t>(table.range().size, text.size() - (table.at - function.range.begin)), 0);
    put(text, function.range.size);
    for (const program::Reference& reference : function.references) {
        put(text, reference.offset);
        put(text, reference.size | static_cast<std::uint32_t>(reference.kind) << 8 |
                      static_cast<std::uint32_t>(reference.use) << 16);
        put(text, reference.access_size);
        put(text, static_cast<std::uint32_t>(reference.addend));
        // A page means nothing by itself.
        if (reference.kind != program::ReferenceKind::arm64_page21)
            put(text, inside(function, reference.target));
    }
    for (const program::PageUse& use : function.page_uses) {
        put(text, use.page);
        put(text, use.user);
    }
    for (const program::JumpTable& table : function.jump_tables) {
        put(text, static_cast<std::uint32_t>(table.targets.size()));
        put(text, table.base == table.at ? 1 : table.base == Rva{} ? 0 : 2);
        put(text, table.entry_size | std::uint32_t{table.shift} << 8 | std::uint32_t{table.is_signed} << 16);
        for (const Rva target : table.targets)
            put(text, inside(function, target));
    }
    return digest_of(text);
}

} // namespace suture::match
