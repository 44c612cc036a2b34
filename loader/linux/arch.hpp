#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/machine.hpp"
#include "engine/target/target.hpp"
#include "loader/linux/memory.hpp"

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace suture::loader {
struct WineLayout;
}

/// What differs between processors: registers, and the bytes that borrow a thread. One folder per processor implements
/// it; host and target are always the same.
namespace suture::loader::arch {

extern const Machine kMachine;
/// e_machine of the host's own programs.
extern const std::uint16_t kElfMachine;

/// The general registers as PTRACE_GETREGSET NT_PRSTATUS gives them, and what read_further() adds.
struct Registers {
    std::array<std::uint64_t, 40> words{};
    std::size_t size = 0; ///< bytes of the former, from the beginning on
};
/// Adds what is needed and not among the general registers, of a stopped thread. False if it is gone.
bool read_further(pid_t tid, Registers& registers);

Va ip_of(const Registers& registers);
Va sp_of(const Registers& registers);
/// Where PE code has its thread environment block; zero for a thread that has none.
Va thread_block_of(const Registers& registers, const Memory& memory);
/// All of ThreadState that the registers tell.
void take_registers(const Registers& from, target::ThreadState& to);
/// Adds the registers that hold where PE code goes on while its thread is on its way to the Unix side or back.
void take_return_registers(const Registers& from, std::vector<Va>& to);

/// Bytes to read of the frame in which Wine's system call dispatcher keeps the PE side's registers.
inline constexpr std::size_t kSyscallFrameSize = 0x120;
/// Where the TEB says where that frame is, by version of Wine.
extern const std::array<std::uint32_t, 2> kSyscallFrameOffsets;
/// Fills `to` from that frame; returns the address of the frame of the call that a user callback interrupted, or zero.
Va take_syscall_frame(std::span<const std::uint8_t, kSyscallFrameSize> frame, target::ThreadState& to);

/// A system call of the host's kernel.
struct SystemCall {
    /// In a batch: this argument is what the call so many places before returned. 0 places: none is.
    struct Earlier {
        std::size_t argument = 0;
        std::size_t places = 0;
    };

    long number = 0;
    std::array<std::uint64_t, 6> arguments{};
    Earlier takes{};
    /// In a batch: argument 1 is the address of this text in the process. Empty: it is not.
    std::string_view text{};
};

/// What borrowing a thread puts on its stack, and the registers with which it is let go. `start` leads back to where
/// the thread was by itself, whether or not anybody is still attached.
struct Borrowing {
    Va at;
    Bytes image;
    Registers start;
};

/// The code that every batch runs: position independent, keeps nothing of its own.
std::span<const std::uint8_t> stub_code();
/// Calls that `stub_code()` at `stub` makes one after the other; then it signals `doorbell` to itself (which only a
/// tracer sees), and returns to where the thread was, with `mask` as signal mask.
Borrowing make_batch(const Registers& now, std::uint64_t mask, Va stub, std::span<const SystemCall> calls,
                     std::uint64_t pid, std::uint64_t tid, int doorbell);
/// True if the registers are those of a batch at its doorbell.
bool rang(const Registers& registers, Va stub);
/// What call `index` returned; `image` is the batch's, read back.
std::int64_t result_of(ByteView image, std::size_t index);

/// Instructions found in the target itself, for the one call that maps the stub.
struct Gadgets {
    Va call;            ///< system call, then return
    Va restore_context; ///< rt_sigreturn
    bool complete() const { return call.value != 0 && restore_context.value != 0; }
};
/// Adds what `code`, mapped at `at`, holds.
void find_gadgets(ByteView code, Va at, Gadgets& gadgets);

/// The register set that a signal frame holds besides the general registers, for PTRACE_GETREGSET.
extern const int kVectorRegisterSet;
/// One system call that returns through a signal frame. Nothing if the vector registers have a form that is not known.
std::optional<Borrowing> make_frame(const Registers& now, ByteView vector_registers, std::uint64_t mask,
                                    const Gadgets& gadgets, const SystemCall& call);
/// True if make_pe_call() is possible here.
extern const bool kCallsPeCode;
/// Where in the stub the function returns to.
extern const std::uint64_t kPeCallReturn;
/// Bytes of the frame in which Wine's dispatcher keeps the PE side's registers, all of it.
inline constexpr std::size_t kWholeSyscallFrame = 0x400;
/// A call of a function of PE code.
struct PeCall {
    /// Of a thread that is on the Unix side: another frame has to take the place of the one in use.
    struct SyscallFrame {
        std::uint32_t offset = 0; ///< in the thread environment block, of its address
        Va at;                    ///< of the one in use
        Bytes content;            ///< likewise; empty: the thread runs PE code
    };

    Va function;
    std::array<std::uint64_t, 3> arguments{};
    Va stub;
    Va stack; ///< end of what the function gets of the PE code's stack
    int doorbell = 0;
    std::uint64_t process = 0, thread = 0;
    SyscallFrame syscall_frame;
};
struct PeBorrowing : Borrowing {
    Va result; ///< where the function's result will lie
};
/// The thread calls the function, signals `doorbell` to itself, and returns through a signal frame to where it was.
/// Nothing if that is not possible.
std::optional<PeBorrowing> make_pe_call(const Registers& now, ByteView vector_registers, std::uint64_t mask,
                                        const PeCall& call);
/// True if the thread, which is in the Unix side of a wait, has left all of Wine's own work behind: it sleeps, or waits
/// for the answer that ends its wait. `block`: its thread environment block.
bool waits_for_the_program(const Registers& registers, Va block, const Memory& memory, const WineLayout& layout);
/// What the call of a thread at its exit returned.
std::int64_t returned(const Registers& registers);
/// `registers` of a thread that was interrupted in a system call, so that it makes the call again by itself.
/// For restoring where the kernel would not do that.
Registers with_restart(const Registers& registers);
/// True at the entry of the system call by which a process ends.
bool is_exit(const Registers& registers);
/// The same registers, so that it ends with `code`.
Registers with_exit_code(const Registers& at_exit, int code);
/// The thread, stopped as a system call of its own has ended, so that it ends its process with `code`. `stopped` are
/// the registers as they were then, whatever was done with the thread since. Nothing if it stopped elsewhere.
std::optional<Registers> with_exit(const Registers& stopped, ByteView before_ip, int code);
/// Bytes before the instruction pointer that with_exit() needs.
inline constexpr std::size_t kCallInstruction = 4;
/// True if the kernel keeps the time that is left of an interrupted wait: make_frame() loses it, and where the kernel
/// does not tell what it keeps, a batch does too.
bool has_restart_block(const Registers& registers);
/// False for a thread with registers in use that a frame or a batch would lose.
bool may_be_borrowed(const Registers& registers);

} // namespace suture::loader::arch
