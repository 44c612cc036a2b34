#pragma once

#include "engine/package/package.hpp"

namespace suture::package {

/// A section of the package image whose content the generator has laid out; never empty. The first begins at
/// kFirstSection, each further one at the next multiple of kPageSize behind the virtual end of the one before it.
struct SectionContent {
    std::string name; ///< ".text", ".rdata" or ".data", each at most once and in this order
    Rva rva;
    Bytes bytes;                    ///< initialised content
    std::uint32_t virtual_size = 0; ///< bytes; >= bytes.size(), the rest is zero
};

/// Where the first section of a package starts.
inline constexpr Rva kFirstSection{0x1000};
inline constexpr std::uint32_t kPageSize = 0x1000;

/// An import that the baseline does not have.
struct ImportRequest {
    std::string dll;
    std::string name; ///< empty where by ordinal
    std::uint16_t ordinal = 0;

    auto operator<=>(const ImportRequest&) const = default;
};

/// The bytes of an import directory with its lookup tables, names and address table, to be placed in .rdata.
struct ImportTable {
    Bytes bytes;
    RvaRange directory;     ///< for the import data directory
    RvaRange address_table; ///< for the IAT data directory
    std::vector<Rva> slots; ///< one per request, in the order of the requests
};

/// Lays out an import table at `at` (8-byte aligned). Requests may be in any order; the bytes do not depend on it. The
/// same request twice has one slot. For no requests, leave Contents::imports empty.
ImportTable build_import_table(std::vector<ImportRequest> requests, Rva at);

/// Everything that becomes a package.
struct Contents {
    Manifest manifest;
    std::vector<SectionContent> sections;
    std::vector<Rva> relocations;                       ///< 8-byte fields holding (preferred base + RVA in the package)
    std::vector<pe::RuntimeFunction> runtime_functions; ///< unwind data in the sections above
    std::optional<ImportTable> imports;                 ///< already part of the sections above
};

/// Preferred base of every package image.
inline constexpr Va kPreferredBase{0x1'8000'0000};

/// The package file. A pure function of its argument: same contents, same bytes. What it writes, Package::parse
/// accepts and gives back. Error: package_malformed, where `contents` breaks a rule of the format.
Result<Bytes> write_package(const Contents& contents);

} // namespace suture::package
