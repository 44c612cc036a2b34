#pragma once

namespace suture::cli {

/// What `patchgen` returns to the shell; scripts rely on it.
enum ExitCode : int {
    exit_done = 0,      ///< package written, or check, inspect or prove holds
    exit_bad_input = 1, ///< a file cannot be read, understood or written
    exit_usage = 2,     ///< wrong arguments
    exit_no_change = 3, ///< the images do the same
    exit_refused = 4,   ///< cannot be hotpatched: the ordinary update is needed
};

} // namespace suture::cli
