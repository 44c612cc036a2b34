#pragma once

#include "engine/core/result.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace suture::cli {

/// The command that starts a program: a PE file gets Wine put before it, everything else stays as it is. Wine is the
/// first of wine64 and wine in the folders of PATH, else /usr/lib/wine/wine64. Error: file_unreadable (no Wine).
Result<std::vector<std::string>> start_command(std::vector<std::string> command);

/// A process that waits to become a program; this one is its helper.
class Waiting {
  public:
    /// Splits this process in two. One gets what is returned: it lives on as a process of its own, of which nobody
    /// waits for the end. The other, which has the PID and the parent of before, waits for go() and then becomes the
    /// program, or ends; it never returns from here. Error: target_gone (the system starts no more processes), without
    /// a split.
    static Result<Waiting> split(const std::vector<std::string>& command);

    pid_t pid() const { return pid_; }
    void go();
    void end(int exit_code);
    /// Why it did not become the program; empty as long as nothing is known.
    const std::string& failure();

  private:
    Waiting(pid_t pid, int orders, int failures) : pid_(pid), orders_(orders), failures_(failures) {}
    void answer(int order);

    pid_t pid_;
    int orders_;   ///< written to, one byte
    int failures_; ///< read from: errno of exec()
    std::string failure_;
};

} // namespace suture::cli
