#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"
#include "loader/windows/handle.hpp"

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

    Handle process_;
    Va program_;
    std::optional<DEBUG_EVENT> pending_;   ///< in which the program stands
    std::map<Va, std::uint8_t> marks_;     ///< where code of the program begins, and the byte that was there
};

} // namespace suture::loader
