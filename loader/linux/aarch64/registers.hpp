#pragma once

#include "loader/linux/arch.hpp"

#include <sys/user.h>

#include <cstring>

namespace suture::loader::arch {

/// The general registers, and what read_further() adds to them.
struct NativeRegisters {
    user_regs_struct general;
    std::uint64_t thread_pointer; ///< TPIDR_EL0
    std::uint64_t has_sve_state;  ///< registers in use that are wider than those of a signal frame for FPSIMD
};
static_assert(sizeof(NativeRegisters) <= sizeof(Registers::words));

inline NativeRegisters native(const Registers& registers) {
    NativeRegisters value;
    std::memcpy(&value, registers.words.data(), sizeof value);
    return value;
}

inline Registers wrapped(const NativeRegisters& value) {
    Registers registers;
    std::memcpy(registers.words.data(), &value, sizeof value);
    registers.size = sizeof value.general; // which is all that can be set
    return registers;
}

inline constexpr std::uint32_t kSystemCallWord = 0xd4000001; ///< svc #0
/// In PSTATE: how the next instruction was branched to. An entry that is guarded (BTI) has to be a landing pad then.
inline constexpr std::uint64_t kBranchType = 0xc00;
/// Below sp: belongs to the interrupted function on Windows (16 bytes) and on no other system.
inline constexpr std::uint64_t kRedZone = 128;

/// struct rt_sigframe up to the first record of vector registers and the end of the list (asm/sigcontext.h of the
/// kernel for arm64).
struct SignalFrame {
    std::uint8_t info[128];
    std::uint64_t flags, link, stack_pointer;
    std::uint32_t stack_flags, stack_padding;
    std::uint64_t stack_size;
    std::uint64_t mask;
    std::uint8_t unused[128];
    std::uint64_t fault_address;
    std::uint64_t registers[31];
    std::uint64_t sp, pc, pstate, padding;
    struct {
        std::uint32_t magic, size;
        std::uint32_t status, control;
        std::uint8_t values[32][16];
    } vector;
    std::uint64_t end[2];
};
static_assert(offsetof(SignalFrame, fault_address) == 128 + 176 && offsetof(SignalFrame, vector) == 592 &&
              sizeof(SignalFrame) == 592 + 528 + 16);

/// The frame from which rt_sigreturn goes on where the thread was, less its vector registers.
SignalFrame frame_of(const NativeRegisters& registers, std::uint64_t mask);

} // namespace suture::loader::arch
