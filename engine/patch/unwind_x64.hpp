#pragma once

#include "engine/patch/unwinder.hpp"

namespace suture::patch {

/// Virtual unwinding by UNWIND_INFO ("x64 exception handling" and "x64 prolog and epilog usage", Microsoft Learn).
std::unique_ptr<Unwinder> make_unwinder_x64(const target::ThreadState& thread);

/// Whether a call ends right before `at`; nothing where the code there cannot be read.
std::optional<bool> follows_call_x64(CodeMap& map, Va at);

} // namespace suture::patch
