#pragma once

#include "engine/patch/code_map.hpp"
#include "engine/patch/live_stacks.hpp"
#include "engine/target/target.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace suture::patch {

/// Code that no thread may be in.
struct Forbidden {
    enum class Rule : std::uint8_t {
        /// No instruction pointer, return address or running call behind the first byte: bytes that are replaced by
        /// whole instructions, and functions whose first instruction leads to what replaces them.
        no_ip_inside,
        /// None in the first byte either: code that is freed.
        no_ip_no_return,
    };
    VaRange range;
    std::string name; ///< the function's, for the report
    Rule rule = Rule::no_ip_no_return;
};

/// A thread that is in forbidden code, or may be.
struct Busy {
    enum class How : std::uint8_t {
        executing,     ///< its instruction pointer is there
        returns_into,  ///< a frame of its stack is there
        found_in_scan, ///< its stack could not be walked to the end, and a word of the rest, or a register, points
                       ///< there
        unexamined,    ///< its stack could not be read, or is too large; `name` is empty
    };
    std::uint64_t thread = 0; ///< OS thread id
    std::string name;         ///< of the Forbidden
    How how = How::executing;
    Va at;                           ///< the instruction pointer, return address or word
    Va stack_slot;                   ///< stack pointer of the frame (of the thread: a register), or address of the word
    std::vector<std::string> frames; ///< "module+0x1234", innermost first, and why the walk ended if early
};

/// "executes", "will return into", …: for sentences of the form "thread 7 <how> <name>".
std::string_view text_of(Busy::How how);

/// Most lines of `Busy::frames`.
inline constexpr std::size_t kMaxFrameLines = 64;

/// Looks for threads in forbidden code. Made before the threads are stopped, so that they wait for less.
class BusySearch {
  public:
    /// `forbidden`, `map` and `target` must outlive it; `map` should be refreshed just before the stop that run() looks
    /// at.
    BusySearch(target::Target& target, std::span<const Forbidden> forbidden, CodeMap& map);
    ~BusySearch();
    BusySearch(BusySearch&&) = delete;

    /// True if neither a register nor a word of the stopped threads' stacks could be an address in forbidden code,
    /// which takes no knowledge of what code lies where. Errors: as run().
    Result<bool> all_far(std::span<const target::ThreadState> threads);
    /// Which of the stopped `threads` stand in the way, at most one entry for each, by thread; empty if all is quiet. A
    /// stack that cannot be walked to its end is searched for anything that looks like an address in forbidden code,
    /// and so are, where a call leaves its return address in one, the registers: this errs on the side of "busy".
    /// Errors: target_gone, target_inaccessible.
    Result<std::vector<Busy>> run(std::span<const target::ThreadState> threads);

  private:
    class Examiner;
    std::unique_ptr<const Examiner> examiner_;
    LiveStacks stacks_;
};

} // namespace suture::patch
