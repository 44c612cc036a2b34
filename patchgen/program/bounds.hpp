#pragma once

#include "patchgen/program/stretch.hpp"
#include "patchgen/program/symbols.hpp"
#include "patchgen/program/unwind_parts.hpp"

namespace suture::program {

/// Where a function starts, and what is known of its end before it is decoded.
struct Start {
    Rva begin;
    std::uint32_t limit = 0; ///< most bytes that it can have: all of them where `end` is exact
    End end = End::exact;
    Source source = Source::pdata;
    bool entry = false; ///< something other than unwind data says that a function starts here
};

/// What is said about where functions are.
struct Evidence {
    const pe::Image& image;
    const Symbols* symbols; ///< or nullptr
    std::span<const pe::Export> exports;
    std::span<const UnwindPart> parts;
    std::span<const Rva> guard_functions;
    std::span<const Rva> entry_points;   ///< of the image, TLS callbacks
    std::span<const Rva> exception_code; ///< what the data of exception handlers leads to, ascending
};

/// All functions that something other than code tells of, ascending. Conflicts are added in ascending order.
std::vector<Start> find_starts(const Evidence& evidence, std::vector<Conflict>& conflicts);

/// The first address behind `rva` where its section's initialised code ends; `rva` itself where it is not in code.
std::uint64_t code_end(const pe::Image& image, Rva rva);

} // namespace suture::program
