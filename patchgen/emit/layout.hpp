#pragma once

#include "engine/package/writer.hpp"
#include "patchgen/diff/change_set.hpp"
#include "patchgen/emit/veneers.hpp"

#include <map>

namespace suture::emit {

/// A section of the package while it is laid out.
struct LaidSection {
    std::string name;
    Rva rva;
    std::uint64_t initialised = 0; ///< bytes
    std::uint64_t size = 0;        ///< bytes, zero fill included

    /// The next multiple of `alignment` in it, made `bytes` longer.
    Rva take(std::uint64_t bytes, std::uint32_t alignment, bool zero_fill = false);
};

/// Where everything that is emitted lies in the package image. Keys are RVAs of the updated image.
struct Layout {
    LaidSection text{.name = ".text", .rva = {}};
    LaidSection rdata{.name = ".rdata", .rva = {}};
    LaidSection data{.name = ".data", .rva = {}};
    std::map<Rva, Rva> functions;         ///< by entry
    std::map<Rva, Rva> objects;           ///< by begin
    std::map<Rva, Rva> tables;            ///< jump tables by begin; those inside their function's code included
    std::map<Rva, RvaRange> table_ranges; ///< ranges in the updated image by begin
    std::map<Rva, Rva> unwind;            ///< UNWIND_INFO or .xdata record by RVA
    std::map<Rva, Rva> handler_blocks;    ///< what the data of handlers consists of, by begin
    std::map<Rva, const diff::EmittedHandler*> handlers; ///< by unwind data
    std::vector<Veneers> veneers;                        ///< that there is room for, ascending by function
    std::vector<Rva> veneer_unwind; ///< .xdata records of veneers, in the order in which they need them
    std::map<package::ImportRequest, Rva> slots;
    std::optional<package::ImportTable> imports;

    /// Where the address `updated` of a jump table of the updated image lies in the package.
    std::optional<Rva> in_table(Rva updated) const;
    /// The veneers of an emitted function, or nullptr.
    const Veneers* veneers_of(const program::Function& function) const;
    /// Where the veneers of an emitted function begin: behind it.
    Rva veneers_at(const program::Function& function) const;
};

/// Bytes of an emitted function from its entry on: with the fill behind it that its unwind data covers, and with tables
/// behind it whose entries count from the table and are too short to lie elsewhere.
std::uint32_t emitted_size(const program::Function& function);

/// Gives everything its place. `veneers`: those that are known to be needed, ascending by function. Errors:
/// unwind_unsupported, pe_bad_directory.
Result<Layout> lay_out(const program::Program& updated, const diff::ChangeSet& changes, std::vector<Veneers> veneers);

} // namespace suture::emit
