#pragma once

#include "loader/host/process.hpp"

#include <array>
#include <functional>

namespace suture::loader {

/// Calls a function in the process and gives what it gave, a BOOLEAN. Errors: unwind_not_registered (the call was not
/// begun); after any other it may have been made.
using CallInProcess = std::function<Result<bool>(Va function, const std::array<std::uint64_t, 3>& arguments)>;

/// A process of which no thread runs, not even one that is new, until this one lets it: what Launch started. Its
/// unwinder is called by `call`. Errors: those of open_process().
Result<std::unique_ptr<target::Target>> open_held_process(std::uint64_t pid, CallInProcess call);

} // namespace suture::loader
