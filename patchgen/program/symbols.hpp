#pragma once

#include "patchgen/program/program.hpp"

namespace suture::program {

/// What a symbol says it is.
enum class SymbolKind : std::uint8_t {
    function,
    data,
    label, ///< in code, but not said to be a function: one only if something else says so too
};

/// A name for an address.
struct Symbol {
    Rva at;
    SymbolKind kind = SymbolKind::data;
    std::uint32_t size = 0; ///< bytes; 0: unknown
    std::string name;       ///< empty: the address begins something, but its name is one that compilers number

    auto operator<=>(const Symbol&) const = default;
};

/// Everything that a symbol file says of an image.
struct Symbols {
    Source source = Source::coff;
    std::vector<Symbol> list;            ///< ascending, no repetition
    std::vector<RvaRange> contributions; ///< what each input section of the linker became; ascending, not overlapping
    std::shared_ptr<const Types> types;  ///< nullptr: it says nothing of types
};

/// Most symbols that are taken from a file: ten times those of the largest browsers' libraries.
inline constexpr std::size_t kMaxSymbols = 16u * 1024 * 1024;
/// Sum of all names that are taken, in bytes: entries may share one long string.
inline constexpr std::size_t kMaxSymbolNameBytes = 1024u * 1024 * 1024;
/// Longest symbol name, in bytes. MSVC hashes names beyond 4 KiB; clang and GCC do not.
inline constexpr std::size_t kMaxSymbolName = 64u * 1024;

/// Sorts, and makes contributions disjoint: where two overlap, the later one is dropped.
void settle(Symbols& symbols);

/// True for names that say nothing of what they name: numbered by the compiler or the linker ($SG123, .L4,
/// __unnamed_1), names of sections, and the linker's marks at the ends of sections.
bool is_meaningless(std::string_view name);

} // namespace suture::program
