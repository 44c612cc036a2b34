#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace suture::cli {

/// Runs `command` by /bin/sh, with SUTURE_PID set to `pid`, nothing on its standard input, and what it writes on this
/// program's standard error with `verbose`, else nowhere. What it started ends with it. Returns why it failed, in a
/// clause, or nothing: it must end with exit code 0 within `patience`.
std::string run_probe(const std::string& command, std::uint64_t pid, std::chrono::nanoseconds patience, bool verbose);

} // namespace suture::cli
