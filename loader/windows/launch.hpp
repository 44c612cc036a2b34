#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"
#include "loader/windows/handle.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace suture::loader {

/// A program that is started by this process and followed, as its debugger, to where the image and all that its imports
/// name are loaded and bound, and nothing of them has run: neither an entry point nor a DllMain nor a TLS callback. It
/// ends if this process dies before let_go(). All calls come from one thread.
class Launch {
  public:
    /// `words`: the command line. The standard streams are this process's. Error: file_unreadable.
    static Result<Launch> start(std::wstring words);
    Launch(Launch&&) = default;

    std::uint64_t pid() const { return ::GetProcessId(process_.get()); }
    /// Lets it run until its modules are loaded. Errors: target_gone (it has ended), target_stop_failed.
    Result<void> until_loaded();
    /// Has the thread that was about to begin the program call a function, after until_loaded(): it stands where the
    /// system calls code of the program, in nobody's way but the loader's. What the function gives, a BOOLEAN. Errors:
    /// unwind_not_registered (the call was not begun); target_map_failed and target_gone, after which let_go() must not
    /// be called.
    Result<bool> call(Va function, const std::array<std::uint64_t, 3>& arguments);
    /// Lets it run on, no more followed. Error: target_stop_failed.
    Result<void> let_go();
    /// Has it end with `exit_code`: nothing of the program will have run.
    void end(int exit_code);
    /// Waits for its end and returns its exit code.
    int wait();

  private:
    explicit Launch(Handle process) : process_(std::move(process)) {}
    void mark(Va base);
    bool mark_at(Va at);
    bool unmark_all();
    bool stands_at_mark(const DEBUG_EVENT& event);
    Result<void> until_returned(DWORD thread);

    Handle process_;
    Va program_;
    std::optional<DEBUG_EVENT> pending_;   ///< in which the program stands
    std::map<Va, std::uint8_t> marks_;     ///< where code of the program begins, and the byte that was there
};

} // namespace suture::loader
