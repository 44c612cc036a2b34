#pragma once

#include "patchgen/program/program.hpp"

namespace suture::program {

/// How the end of a stretch of code is found.
enum class End : std::uint8_t {
    exact,   ///< the bytes given are all of it
    trimmed, ///< the bytes given reach to the next function: trailing fill is left out
    flow,    ///< it ends at the first terminator that no branch of its own jumps over
};

/// A half-open range of offsets from the start of the stretch.
struct Extent {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;

    auto operator<=>(const Extent&) const = default;
};

/// A table of 4-byte entries that code adds to `base` and uses as addresses, other than to jump inside of itself.
struct AddressTable {
    Rva at;
    Rva base; ///< RVA 0 where entries are RVAs

    auto operator<=>(const AddressTable&) const = default;
};

/// A stretch of code to decode.
struct Stretch {
    Rva begin;
    ByteView bytes;
    End end = End::exact;
    Va image_base;                                    ///< preferred
    std::uint32_t image_size = 0;                     ///< SizeOfImage: references must lead inside
    std::span<const pe::Relocation> relocations = {}; ///< those of the whole image, ascending
    std::span<const Extent> data = {};                ///< tables inside the stretch, ascending, not overlapping
    std::optional<Rva> guard_check = {};              ///< slot of the guard's check, which keeps more than calls do
    std::uint32_t reaches = 0;                        ///< with End::flow: an offset known to be code of the stretch
};

/// What a stretch of code holds.
struct DecodedCode {
    std::uint32_t size = 0; ///< bytes
    std::vector<std::uint32_t> instructions;
    std::vector<Reference> references;
    std::vector<PageUse> page_uses;
    std::string undecoded; ///< empty: all of it is understood. Else why not; the rest is true up to there
    /// Offset of the byte that decoding stopped at, where `undecoded`; else `size`.
    std::uint32_t stopped_at = 0;
    std::vector<AddressTable> address_tables;
    bool loads_entries = false;      ///< x64: perhaps of a table of addresses; only the flow of registers tells
    bool takes_image_base = false;   ///< LEA of RVA 0
    bool jumps_by_register = false;  ///< perhaps by way of a table
    bool reads_itself = false;       ///< some of its bytes are data that it reads by an address in a register
    bool ends_in_terminator = false; ///< nothing runs from its last instruction into what follows
    bool runs_on = false;            ///< its last instruction is neither a terminator nor a call
};

} // namespace suture::program
