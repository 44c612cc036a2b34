#pragma once

#include "patchgen/cli/output.hpp"
#include "patchgen/cli/report/model.hpp"

namespace suture::cli {

/// The report for people: what changed and why, how each function is redirected, what is refused and what to do. Long
/// lists are cut off unless --verbose is given.
std::string report_text(const Report& report, const Output& output);

} // namespace suture::cli
