#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/machine.hpp"
#include "engine/core/result.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace suture::target {

/// A PE image that the process has loaded, as the process's own loader tells it.
struct Module {
    std::string name; ///< file name, e.g. "heartbeat.dll"
    VaRange range;    ///< base and SizeOfImage
    std::string path; ///< the file on this host; empty where it is not known
};

enum class Protection : std::uint8_t { read, read_write, read_execute };

/// A stretch of the address space with one protection.
struct Region {
    VaRange range;
    bool readable = false;
    bool writable = false;
    bool executable = false;
};

/// Memory to be read, and where to.
struct Reading {
    Va at;
    std::span<std::uint8_t> into;
};

/// What lies under mapped pages.
enum class Backing : std::uint8_t {
    /// What nobody can change any more, where the system can do that; processes may share it. read_write pages are
    /// the process's own.
    sealed,
    /// The same content, but the process's own once somebody makes the pages writable: for pages of its modules, which
    /// programs may change themselves.
    copy_on_write,
};

/// Pages to map. `content` is padded with zeros up to `range.size`; both ends of `range` are page aligned.
struct Mapping {
    VaRange range;
    Bytes content;
    Protection protection = Protection::read;
    Backing backing = Backing::sealed;
    /// Where control-flow guard lets calls by address lead in executable pages, ascending; nothing: everywhere.
    std::optional<std::vector<Va>> call_targets{};
};

/// Pages that lie aside in the process, to be put in place of others. Destroying it takes out those that were not put.
/// It must not outlive its Target.
class Staged {
  public:
    virtual ~Staged() = default;
};

/// Pages that an implementation put into a process, as far as the system shows whose they are.
struct Remains {
    std::vector<VaRange> aside;    ///< what serves nothing once no operation is under way
    std::vector<VaRange> workshop; ///< from where it does its work; leave() takes it out
    std::vector<VaRange> mapped;   ///< what map() and replace() made, ascending
};

/// RUNTIME_FUNCTIONs that lie in the process, ascending.
struct UnwindTable {
    Va base; ///< what their RVAs count from
    Va at;   ///< of the first; by it the table is known
    std::uint32_t count = 0;
};

/// General registers of the machine that has most.
inline constexpr std::size_t kRegisters = 32;

/// Registers of a stopped thread, on the side of the PE code: for a thread inside a system call of the platform, those
/// with which the PE code will go on.
struct ThreadState {
    std::uint64_t id = 0; ///< OS thread id
    Va ip;
    Va sp;
    /// x64: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 … r15 (unwind numbers). Arm64: x0 … x30, as they are: x30 with
    /// its signature. What is left over is zero.
    std::array<std::uint64_t, kRegisters> registers{};
    VaRange stack; ///< limits of the stack that holds `sp`; empty where unknown
    /// False where only ip, sp, the callee-saved registers and the link register are right (inside a system call).
    bool volatile_registers = true;
    /// Further instruction pointers of this thread that count as "executing there" (the native side).
    std::vector<Va> other_ips;
};

/// All threads of the process, stopped. Destroying it lets them run on.
class Stop {
  public:
    virtual ~Stop() = default;
    /// When the first thread was asked to stop, by the clock of Target::now().
    virtual std::chrono::nanoseconds began() const = 0;
    /// Ascending by id.
    virtual std::span<const ThreadState> threads() const = 0;
    /// Puts bytes over code or data that is mapped and that no other process shares, reads them back and makes them
    /// visible to the instruction fetch of every processor. What lies in one page is written as a whole or not at all,
    /// even if this process ends meanwhile. Errors: target_write_failed.
    virtual Result<void> write_code(Va at, ByteView bytes) = 0;
    /// Lets the threads run on, with what went wrong if that fails. At most once; the destructor does it otherwise.
    virtual Result<void> resume() = 0;
};

/// A process being patched: the whole boundary between the engine and an operating system.
/// Every call may fail with target_gone or target_inaccessible besides what it lists. Not thread-safe.
class Target {
  public:
    virtual ~Target() = default;

    virtual std::uint64_t pid() const = 0;
    virtual Machine machine() const = 0;
    /// Bytes; a power of two.
    virtual std::uint64_t page_size() const = 0;

    /// Loaded modules in load order. Error: target_not_pe.
    virtual Result<std::vector<Module>> modules() = 0;
    /// Everything that is mapped or reserved, ascending, not overlapping: what lies between is free.
    virtual Result<std::vector<Region>> regions() = 0;
    /// Fills `into` completely or fails. Error: target_read_failed.
    virtual Result<void> read(Va at, std::span<std::uint8_t> into) = 0;

    /// Fills all of them or fails, with as few system calls as it can. Error: target_read_failed.
    virtual Result<void> read(std::span<const Reading> readings);

    /// Maps fresh pages, all of them or none; what is there already is never touched. The pages appear with their
    /// content and are never writable from inside the target unless read_write is asked for. May be called while
    /// stopped. Errors: target_map_failed.
    virtual Result<void> map(std::span<const Mapping> mappings) = 0;
    /// Prepares what replace() then puts in place, so that this takes no longer than it must. May be called while
    /// stopped. Errors: target_map_failed.
    virtual Result<std::unique_ptr<Staged>> stage(std::span<const Mapping> mappings) = 0;
    /// Puts the staged pages in place of mapped ones, each mapping by one operation and in their order: every thread
    /// sees all of the old or all of the new. May be called while stopped, and while threads run in those pages. Once
    /// for each Staged. If it fails, some may have been put. Errors: target_map_failed.
    virtual Result<void> replace(Staged& staged) = 0;
    /// Both at once. If it fails, nothing was put. Errors: target_map_failed.
    Result<void> replace(const Mapping& mapping);
    /// Gives pages back that map() made. May be called while stopped. Errors: target_map_failed.
    virtual Result<void> unmap(std::span<const VaRange> ranges) = 0;

    /// True if register_unwind() is possible at all. Where it is not, exceptions do not pass through new code.
    virtual bool registers_unwind() const { return false; }
    /// Makes the table known to the process's own unwinder (RtlAddFunctionTable), by a thread of the process. Not to be
    /// called while stopped: the unwinder takes locks. Errors: unwind_not_registered (nothing was done); after any
    /// other, it may have been done.
    virtual Result<void> register_unwind(const UnwindTable& table);
    /// Makes it unknown again (RtlDeleteFunctionTable). A table that is not known is none the less a success: any
    /// number of calls do what one does. Not to be called while stopped. Errors: as register_unwind().
    virtual Result<void> unregister_unwind(Va table);

    /// Has control-flow guard let calls by address lead to these places in modules of the process, too; ascending.
    /// Where nothing guards such calls, there is nothing to do. Error: call_target_impossible.
    virtual Result<void> allow_calls(std::span<const Va>) { return {}; }

    /// Takes out what the implementation itself left in the process to do its work, once nothing of a patch remains
    /// there. Error: target_map_failed.
    virtual Result<void> leave() { return {}; }

    /// What there is of this implementation's own making; reads only.
    virtual Result<Remains> remains() { return Remains(); }
    /// Frees what remains() tells as `aside`. Error: target_map_failed.
    virtual Result<void> tidy() { return {}; }

    /// Stops every thread. Errors: target_stop_failed.
    virtual Result<std::unique_ptr<Stop>> stop() = 0;

    /// The bytes of the file that the module was loaded from, as far as this host can read it; they are for naming
    /// differences only, never for deciding. Error: file_unreadable.
    virtual Result<Bytes> module_file(const Module& module) {
        return fail(Code::file_unreadable, "the file of " + module.name + " is not known");
    }

    /// Monotonic time.
    virtual std::chrono::nanoseconds now() = 0;
    /// Lets time pass between two attempts; the target runs on.
    virtual void wait(std::chrono::nanoseconds duration) = 0;
};

/// `size` bytes at `at` as a fresh buffer. Errors: those of read(). `size` is limited to kMaxRead.
inline constexpr std::uint64_t kMaxRead = std::uint64_t{2} << 30;
Result<Bytes> read_bytes(Target& target, Va at, std::uint64_t size);

/// True if two module names mean the same file name: ASCII case does not matter.
bool same_file_name(std::string_view a, std::string_view b);

/// The module with this file name (ASCII case does not matter), or module_not_loaded.
Result<Module> find_module(Target& target, std::string_view name);

} // namespace suture::target
