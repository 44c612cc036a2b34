#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"
#include "loader/linux/calls.hpp"

#include <map>
#include <string>
#include <string_view>

namespace suture::loader {

/// Calls functions of the process's ntdll by a thread of the process, while all others run on. If this process dies at
/// any moment the thread makes the call to the end, and goes on with its own work.
///
/// A thread will do that can hold no lock that the function takes: one that waits in ntdll for something of the
/// program's, or one that runs code of a module other than ntdll.
class PeCalls {
  public:
    PeCalls(const Memory& memory, const WineLayout& layout, RemoteCalls& calls)
        : memory_(memory), layout_(layout), calls_(calls) {}

    static bool possible() { return arch::kCallsPeCode; }

    /// What the function returned. `modules` are those of the process, ntdll among them. Errors: target_gone,
    /// unwind_not_registered (the call was not begun); after any other, it may have been made.
    Result<std::uint64_t> call(target::Target& target, std::span<const target::Module> modules,
                               std::string_view function, const std::array<std::uint64_t, 3>& arguments);

  private:
    struct Place {
        VaRange home;     ///< of the stack on which the registers are kept
        VaRange stack;    ///< of the PE code's stack, for the function
        Va thread_block;  ///< of a thread on the Unix side; else zero
        Va syscall_frame; ///< likewise
    };

    Result<void> find_functions(target::Target& target, const target::Module& ntdll);
    /// Calls that a dead injector left a thread in are over.
    Result<void> await_earlier();
    /// Where the thread can make the call; nothing if it must not.
    std::optional<Place> place_in(const StoppedThread& thread, std::span<const target::Module> modules) const;
    /// Nothing if another thread has to be taken.
    Result<std::optional<std::uint64_t>> call_with(StoppedThread& thread, const Place& place,
                                                   const RemoteCalls::Ready& ready, arch::PeCall call);

    const Memory& memory_;
    const WineLayout& layout_;
    RemoteCalls& calls_;
    std::map<std::string, Va, std::less<>> functions_; ///< of ntdll
};

} // namespace suture::loader
