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

} // namespace suture::loader::arch
