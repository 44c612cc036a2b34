#pragma once

#include "patchgen/program/program.hpp"

namespace suture::diff {

/// What the updated image asks the loader and the system for that the baseline did not, or the other way round, one
/// sentence each: protection of sections, security features, sizes of stack and heap of a program. A running process
/// got what the baseline asks for, and no code shows the difference. What only describes an image (time stamps,
/// versions, sizes, addresses) is left out.
std::vector<std::string> changed_loader_settings(const program::Program& baseline, const program::Program& updated);

} // namespace suture::diff
