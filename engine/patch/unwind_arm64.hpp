#pragma once

#include "engine/patch/unwinder.hpp"

namespace suture::patch {

/// Virtual unwinding by .pdata and .xdata ("ARM64 exception handling" and "Overview of ARM64 ABI conventions",
/// Microsoft Learn).
std::unique_ptr<Unwinder> make_unwinder_arm64(const target::ThreadState& thread);

/// Whether a call ends right before `at`; nothing where the code there cannot be read.
std::optional<bool> follows_call_arm64(CodeMap& map, Va at);

} // namespace suture::patch
