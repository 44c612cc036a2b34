#pragma once

#include "engine/core/address.hpp"
#include "engine/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suture::loader {

/// A line of /proc/PID/maps (proc_pid_maps(5)).
struct MapEntry {
    VaRange range;
    bool readable = false;
    bool writable = false;
    bool executable = false;
    bool shared = false;
    std::uint64_t inode = 0; ///< 0: no file
    std::string path;        ///< of a file, or "[stack]" and the like; empty for anonymous memory
};

/// The lines of a maps file; those that are malformed or not ascending are left out.
std::vector<MapEntry> parse_maps(std::string_view text);

/// Errors: target_gone, target_inaccessible.
Result<std::vector<MapEntry>> read_maps(std::uint64_t pid);

/// The entry that holds `at`, or null. `maps` is ascending.
const MapEntry* find_entry(const std::vector<MapEntry>& maps, Va at);

/// True if nothing of `range` is in any entry.
bool is_free(const std::vector<MapEntry>& maps, VaRange range);

} // namespace suture::loader
