#pragma once

#include "loader/linux/arch.hpp"

#include <sys/user.h>

#include <cstring>

namespace suture::loader::arch {

static_assert(sizeof(user_regs_struct) <= sizeof(Registers::words));

inline user_regs_struct native(const Registers& registers) {
    user_regs_struct value;
    std::memcpy(&value, registers.words.data(), sizeof value);
    return value;
}

inline Registers wrapped(const user_regs_struct& value) {
    Registers registers;
    std::memcpy(registers.words.data(), &value, sizeof value);
    registers.size = sizeof value;
    return registers;
}

/// `orig_rax` of a thread that is in no system call: the kernel then restarts none.
inline constexpr unsigned long long kNoCall = ~0ULL;

/// How an interrupted system call is to go on (include/linux/errno.h of the kernel).
enum class Restart { none, again, block };
Restart restart_of(const user_regs_struct& registers);

/// A signal frame below the stack of a thread, at the result's `at`: rt_sigreturn with the stack pointer 8 bytes above
/// that goes back to where the thread is, with all registers and `mask`. Before, a return instruction may take
/// `return_address` from it. Nothing if the vector registers have a form that is not known.
std::optional<Borrowing> return_frame(const Registers& now, ByteView vector_registers, std::uint64_t mask,
                                      Va return_address);

/// Where the second part of the stub begins, which calls a function of PE code.
inline constexpr std::uint64_t kPeCallOffset = 120;

} // namespace suture::loader::arch
