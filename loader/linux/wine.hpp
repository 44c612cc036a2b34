#pragma once

#include "engine/target/target.hpp"
#include "loader/linux/arch.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/memory.hpp"

#include <optional>
#include <vector>

namespace suture::loader {

/// Where this Wine keeps in the thread environment block (TEB) what is its own; differs between versions.
struct WineLayout {
    std::uint32_t syscall_frame = arch::kSyscallFrameOffsets.front();
    std::uint32_t kernel_stack = 0x370;  ///< Wine 8
    std::vector<VaRange> dispatcher;     ///< code of ntdll.so, and of the C library, which that calls on the PE stack on Arm64
};

/// A process in which Wine runs a PE image.
struct WineProcess {
    Va peb;
    Va image;                      ///< base of the program
    std::uint64_t windows_pid = 0; ///< by which Wine's own programs know it
    WineLayout layout;
};

/// Finds the process environment block from outside, without stopping anything: by a thread environment block, which
/// names itself. Errors: target_not_pe.
Result<WineProcess> find_wine_process(const Memory& memory, const std::vector<MapEntry>& maps);

/// True if ntdll is mapped: a cheap first look.
bool has_ntdll(const std::vector<MapEntry>& maps);

/// What is needed of a TEB. Offsets are those of NT_TIB and TEB (winternl.h of Wine) on 64 bits.
struct ThreadBlock {
    VaRange stack;   ///< StackLimit to StackBase
    Va kernel_stack; ///< base of the stack on which Wine's Unix side runs
    Va syscall_frame;

    static constexpr std::uint64_t kKernelStackSize = 0x100000;
    bool in_unix_code(Va sp) const { return sp - kernel_stack < kKernelStackSize; }
};
/// Nothing if there is no TEB at `at`.
std::optional<ThreadBlock> read_thread_block(const Memory& memory, const WineLayout& layout, Va at);

/// The stopped thread as its PE code sees itself; nothing where this is a moment between both sides (a signal handler
/// of Wine runs): it has to be looked at again later, or `conservatively`, which then gives all addresses that could be
/// meant.
std::optional<target::ThreadState> thread_state(const Memory& memory, const WineLayout& layout, std::uint64_t tid,
                                                const arch::Registers& registers, bool conservatively);

/// The loader's list, in load order. Errors: target_not_pe, target_read_failed.
Result<std::vector<target::Module>> list_modules(const Memory& memory, Va peb, const std::vector<MapEntry>& maps);

/// True once the process's loader has run code of a module, or is about to. Until then nothing but the loader's own
/// code, in ntdll, has run; and all that the program asks for by its imports is loaded and bound when this becomes
/// true.
bool any_module_has_begun(const Memory& memory, Va peb);
/// Names of those modules; nothing if what is found is no list.
std::optional<std::vector<std::string>> modules_that_have_begun(const Memory& memory, Va peb);
/// The process environment block that the thread environment block at `at` names, or nothing.
std::optional<Va> environment_block_of(const Memory& memory, Va at);

} // namespace suture::loader
