#pragma once

#include <map>
#include <string>

namespace suture::samples {

// What is asked, and which answer to an over-long claim counts as right.
enum class LoadMode {
    any,   // over-long claims among the rest; leaked bytes and an error are both right
    leak,  // only leaked bytes are right
    error, // only an error is right
    valid, // no over-long claims
};

struct LoadOptions {
    unsigned connections = 16;
    double seconds = 5;     // ignored where until_file is given
    std::string until_file; // empty: none
    LoadMode mode = LoadMode::any;
};

// The modes by the names that `--mode` takes.
const std::map<std::string, LoadMode>& load_modes();

// Keeps all connections busy, one request in flight on each, and compares every reply with what it must be. Prints one
// line of JSON. Returns the exit code: 0, or 3 where a reply was wrong or a connection was lost.
int run_load(unsigned port, const LoadOptions& options);

} // namespace suture::samples
