#pragma once

#include "loader/windows/call_targets.hpp"

namespace suture::loader {

/// Whether the processor compares each return of the process with the call that it belongs to (CET). Continuations of
/// displaced calls would break there: their return addresses no call has pushed.
bool has_shadow_stacks(HANDLE process, const GuardFunctions& functions);

} // namespace suture::loader
