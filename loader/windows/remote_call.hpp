#pragma once

#include "engine/core/result.hpp"
#include "loader/windows/memory.hpp"
#include "loader/windows/watchdog.hpp"

#include <array>
#include <chrono>
#include <cstdint>

namespace suture::loader {

/// Calls a function in the process by a thread that is made for it and ends with it; what the function gives, a
/// BOOLEAN. The view that the thread begins in, of code and arguments, is chosen near `beside` and gone afterwards.
/// Errors: unwind_not_registered (the call was not begun); target_map_failed, after which it may have been made.
Result<bool> call_remotely(const Memory& memory, Unfinished& unfinished, Va beside, Va function,
                           const std::array<std::uint64_t, 3>& arguments);

/// Frees the view of a call of which nobody knows any more how far it came, once no thread is in it. False if one stays
/// there for `patience`; then the view stays too.
bool end_remote_call(const Memory& memory, Va view, std::chrono::milliseconds patience);

} // namespace suture::loader
