#pragma once

#include "engine/core/result.hpp"
#include "loader/linux/arch.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/memory.hpp"
#include "loader/linux/threads.hpp"
#include "loader/linux/wine.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace suture::loader {

/// Makes system calls in the process, by a thread of it that is borrowed for them. If this process dies at any moment
/// the thread makes them to the end, and goes on with its own work.
///
/// The first call leaves a page of code in the process, the stub, which later calls and other injectors use too.
/// All errors besides target_gone are target_map_failed.
class RemoteCalls {
  public:
    RemoteCalls(const Memory& memory, const WineLayout& layout) : memory_(memory), layout_(layout) {}

    /// Makes the calls in their order, and gives what each returned (negative: -errno). At most kMaxCalls at once are
    /// one stop of the thread. `stopped`: the threads, where they are stopped already, else null.
    Result<std::vector<std::int64_t>> make(std::span<const arch::SystemCall> calls, StoppedThreads* stopped);
    static constexpr std::size_t kMaxCalls = 24;

    /// The stub, and a signal that the process ignores.
    struct Ready {
        Va stub;
        int doorbell = 0;
    };
    /// Not to be called while threads are stopped.
    Result<Ready> ready();
    /// How much of the thread's stack may be written to; nothing if it is on one that is not known. Of the process as
    /// it was at the last call.
    std::optional<VaRange> free_stack(const StoppedThread& thread) const;

    /// A thread that makes calls for an injector, or null.
    const StoppedThread* still_borrowed(const StoppedThreads& stopped) const;
    /// Whether a thread may be in PE code that the stub has called; stacks are looked through then.
    bool expects_pe_calls() const { return expects_pe_calls_; }
    void expect_pe_calls(bool may_be) { expects_pe_calls_ = may_be && arch::kCallsPeCode; }

    /// Where something may be mapped for a moment, to be moved into place; `clean`: what lies there, of a dead
    /// injector, is unmapped first. Calls in a stop are quick only after this was called outside of one.
    Result<VaRange> staging(bool clean, StoppedThreads* stopped);
    /// What is mapped in the process, as of the last staging().
    const std::vector<MapEntry>& maps() const { return maps_; }

    /// The stub that is used, and what is of no use: other stubs, and what lies in staging.
    struct Remains {
        std::optional<VaRange> stub;
        std::vector<VaRange> aside;
    };
    Result<Remains> remains() const;
    /// Unmaps what is of no use, and the stub unless it is kept.
    /// Errors: also target_stop_failed.
    Result<void> leave(bool keep_stub, StoppedThreads* stopped);

  private:
    using Results = std::vector<std::int64_t>;

    Result<void> prepare();
    /// The thread to borrow of those that are stopped, or null.
    StoppedThread* suitable(StoppedThreads& stopped) const;
    Result<Results> make_with(StoppedThread& thread, std::span<const arch::SystemCall> calls);
    Result<void> ensure_stub(StoppedThread& thread);
    Result<Results> make_batch(StoppedThread& thread, std::span<const arch::SystemCall> calls);
    Result<std::int64_t> make_framed(StoppedThread& thread, const arch::SystemCall& call);
    Result<void> unmap_all(bool keep_stub, StoppedThreads& stopped);
    Result<void> find_gadgets();
    bool will_return_to_stub(const StoppedThread& thread) const;

    const Memory& memory_;
    const WineLayout& layout_;
    std::vector<MapEntry> maps_; ///< as of the last prepare()
    arch::Gadgets gadgets_;
    Va stub_;          ///< zero: none known
    int doorbell_ = 0; ///< a signal that the process ignores
    bool expects_pe_calls_ = false;
};

} // namespace suture::loader
