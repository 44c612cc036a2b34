#pragma once

#include "patchgen/program/program.hpp"

namespace suture::match {

/// What linkers put into an image for the loader and for debuggers. Its bytes say nothing of what the code does, and
/// change with every build.
struct Metadata {
    enum class Kind : std::uint8_t {
        directory,    ///< key: index of the data directory
        debug_data,   ///< key: index of the debug entry
        import_names, ///< key: index of the import descriptor
        guard_table,  ///< key: offset of the table's pointer in the load config
        unwind_info,  ///< key: RVA (never referred to by code)
        tls_template, ///< initial thread-local data
        jump_table,   ///< key: RVA of the function that owns it
    };
    RvaRange range;
    Kind kind = Kind::directory;
    std::uint32_t key = 0;
};

/// All of it, ascending, not overlapping. What an image claims wrongly (ranges outside of it) is left out.
std::vector<Metadata> metadata_of(const program::Program& program);

} // namespace suture::match
