#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"
#include "loader/linux/threads.hpp"

#include <sys/types.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace suture::loader {

/// A process that is about to become a program with a PE image, followed from before its exec() to where the image and
/// all that its imports name are loaded and bound, and nothing of them has run: neither an entry point nor a DllMain
/// nor a TLS callback. It ends if this process dies. All calls come from one thread.
///
/// Only the process itself is followed, through any number of exec(), not its children.
class Launch {
  public:
    /// Errors: target_inaccessible, target_gone.
    static Result<Launch> attach(pid_t pid);
    Launch(Launch&&) = default;

    /// Lets it run until its modules are loaded. A process that ends before, by itself, ends with what `ends` tells
    /// instead of its own exit code; `ends` is told why, as long as the process is still there. Not so where a signal
    /// ended it. Error: target_gone.
    Result<void> until_loaded(const std::function<int(Error)>& ends);

    /// The process, which stands still until the Target is gone, and then runs on. After until_loaded(), once.
    /// Errors: target_stop_failed (one of `modules`, file names, has begun to run), target_not_pe.
    Result<std::unique_ptr<target::Target>> open(std::span<const std::string> modules);
    /// Has it end with `exit_code`, at once or when the Target is gone: nothing of the program will have run.
    void end(int exit_code);

  private:
    explicit Launch(pid_t pid) : pid_(pid) {}
    Result<void> hold();
    bool is_loaded(const arch::Registers& registers);

    pid_t pid_;
    Va peb_;
    bool opened_ = false;  ///< a Target lets it go
    StoppedThread thread_; ///< as it was when the modules were loaded
};

} // namespace suture::loader
