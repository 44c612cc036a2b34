#include "loader/linux/x64/registers.hpp"

#include <elf.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace suture::loader::arch {

const Machine kMachine = Machine::x64;
const std::uint16_t kElfMachine = EM_X86_64;
const std::array<std::uint32_t, 2> kSyscallFrameOffsets = {0x328, 0x378}; // Wine 8, Wine 10

namespace {

constexpr long long kRestartSys = -512;
constexpr long long kRestartNoIntr = -513;
constexpr long long kRestartNoHand = -514;
constexpr long long kRestartBlock = -516;
/// `syscall`, to which an interrupted call goes back.
constexpr unsigned kCallSize = 2;

} // namespace

Restart restart_of(const user_regs_struct& registers) {
    if (registers.orig_rax == kNoCall)
        return Restart::none;
    switch (static_cast<long long>(registers.rax)) {
    case kRestartSys:
    case kRestartNoIntr:
    case kRestartNoHand:
        return Restart::again;
    case kRestartBlock:
        return Restart::block;
    default:
        return Restart::none;
    }
}

Registers with_restart(const Registers& registers) {
    user_regs_struct value = native(registers);
    switch (restart_of(value)) {
    case Restart::again:
        value.rip -= kCallSize;
        value.rax = value.orig_rax;
        break;
    case Restart::block:
        value.rip -= kCallSize;
        value.rax = SYS_restart_syscall;
        break;
    case Restart::none:
        break;
    }
    value.orig_rax = kNoCall;
    return wrapped(value);
}

bool is_exit(const Registers& registers) {
    const user_regs_struct value = native(registers);
    // The kernel fills rax with this error until the call has been made.
    return value.orig_rax == SYS_exit_group && static_cast<long long>(value.rax) == -ENOSYS;
}

Registers with_exit_code(const Registers& at_exit, int code) {
    user_regs_struct value = native(at_exit);
    value.rdi = static_cast<unsigned long long>(code);
    return wrapped(value);
}

std::optional<Registers> with_exit(const Registers& stopped, ByteView before_ip, int code) {
    constexpr std::array<std::uint8_t, kCallSize> kSystemCall = {0x0f, 0x05};
    if (before_ip.size() < kCallSize ||
        !std::ranges::equal(*before_ip.slice(before_ip.size() - kCallSize, kCallSize), kSystemCall))
        return std::nullopt;
    user_regs_struct value = native(stopped);
    value.rip -= kCallSize;
    value.rax = SYS_exit_group;
    value.rdi = static_cast<unsigned long long>(code);
    value.orig_rax = kNoCall;
    return wrapped(value);
}

bool read_further(pid_t, Registers&) {
    return true;
}

bool may_be_borrowed(const Registers&) {
    return true;
}

bool has_restart_block(const Registers& registers) {
    return restart_of(native(registers)) == Restart::block;
}

Va ip_of(const Registers& registers) {
    return Va{native(registers).rip};
}

Va sp_of(const Registers& registers) {
    return Va{native(registers).rsp};
}

Va thread_block_of(const Registers& registers, const Memory&) {
    return Va{native(registers).gs_base};
}

std::int64_t returned(const Registers& registers) {
    return static_cast<std::int64_t>(native(registers).rax);
}

void take_registers(const Registers& from, target::ThreadState& to) {
    const user_regs_struct r = native(from);
    to.ip = Va{r.rip};
    to.sp = Va{r.rsp};
    to.registers = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi,
                    r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
    to.volatile_registers = true;
}

void take_return_registers(const Registers&, std::vector<Va>&) {}

// struct syscall_frame of Wine's dlls/ntdll/unix/signal_x86_64.c.
Va take_syscall_frame(std::span<const std::uint8_t, kSyscallFrameSize> frame, target::ThreadState& to) {
    const auto word = [&](std::size_t offset) {
        std::uint64_t value;
        std::memcpy(&value, frame.data() + offset, sizeof value);
        return value;
    };
    to.ip = Va{word(0x70)};
    to.sp = Va{word(0x88)};
    to.registers = {word(0x00), word(0x10), word(0x18), word(0x08), word(0x88), word(0x98), word(0x20), word(0x28),
                    word(0x30), word(0x38), word(0x40), word(0x48), word(0x50), word(0x58), word(0x60), word(0x68)};
    to.volatile_registers = false;
    return Va{word(0xa0)};
}

} // namespace suture::loader::arch
