#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// What the fields of the emitted code and data come to.
struct Fields {
    Bytes text;
    Bytes rdata;
    Bytes data;
    std::vector<package::Fixup> fixups; ///< in the order in which they were met
    std::vector<Rva> relocations;
};

/// Copies the code and data, and makes every reference lead where its destination says. Unwind data and import table
/// stay zero. Errors: reference_out_of_reach, reference_unresolved.
Result<Fields> write_fields(const program::Program& updated, const diff::ChangeSet& changes, const Layout& layout);

} // namespace suture::emit
