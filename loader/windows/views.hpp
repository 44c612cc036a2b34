#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"
#include "loader/windows/memory.hpp"
#include "loader/windows/watchdog.hpp"

#include <span>

namespace suture::loader {

/// Maps what lies together as one view of a section that has its content before anybody sees it, and that nobody has a
/// handle of any more: what is not data is never writable in the process. A view appears with all of its content at
/// once. Errors: target_map_failed, having mapped nothing.
Result<void> map_views(const Memory& memory, Unfinished& unfinished, std::span<const target::Mapping> mappings);

/// Gives pages back. A view goes when all of it was given back; until then nobody has access to those pages.
/// Error: target_map_failed.
Result<void> unmap_views(const Memory& memory, std::span<const VaRange> ranges);

} // namespace suture::loader
