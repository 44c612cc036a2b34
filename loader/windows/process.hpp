#pragma once

#include "loader/host/process.hpp"

namespace suture::loader {

/// A process of which no thread runs, not even one that is new, until this one lets it: what Launch started. Its
/// unwinder cannot be called. Errors: those of open_process().
Result<std::unique_ptr<target::Target>> open_held_process(std::uint64_t pid);

} // namespace suture::loader
