#include "loader/linux/aarch64/registers.hpp"

#include <asm/ptrace.h>
#include <elf.h>
#include <linux/futex.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace suture::loader::arch {

const Machine kMachine = Machine::arm64;
const std::uint16_t kElfMachine = EM_AARCH64;
const std::array<std::uint32_t, 2> kSyscallFrameOffsets = {0x2f8, 0x378}; // Wine 8, Wine 10

namespace {

constexpr std::uint64_t kCallSize = sizeof kSystemCallWord;
/// Where the kernel's asm/hwcap.h has it.
constexpr unsigned long kHasSve = 1UL << 22;
/// Registers by number.
constexpr std::size_t kIntraProcedure0 = 16;
constexpr std::size_t kIntraProcedure1 = 17;
constexpr std::size_t kLink = 30;
/// In Wine's stubs of system calls: the link register, while x30 leads back into the stub.
constexpr std::size_t kStubLink = 9;

} // namespace

bool read_further(pid_t tid, Registers& registers) {
    NativeRegisters value = native(registers);
    const auto read = [&](std::uintptr_t set, void* into, std::size_t size) {
        iovec space{into, size};
        return ::ptrace(PTRACE_GETREGSET, tid, reinterpret_cast<void*>(set), &space) == 0;
    };
    if (!read(NT_ARM_TLS, &value.thread_pointer, sizeof value.thread_pointer))
        return false;
    user_sve_header sve{};
    value.has_sve_state = (::getauxval(AT_HWCAP) & kHasSve) != 0 && read(NT_ARM_SVE, &sve, sizeof sve) &&
                          (sve.flags & SVE_PT_REGS_MASK) == SVE_PT_REGS_SVE;
    const std::size_t size = registers.size;
    registers = wrapped(value);
    return size == registers.size;
}

// The kernel has put pc and x0 back to what they were at the call already.
Registers with_restart(const Registers& registers) {
    return registers;
}

bool has_restart_block(const Registers& registers) {
    const user_regs_struct r = native(registers).general;
    switch (r.regs[8]) {
    case SYS_nanosleep:
    case SYS_restart_syscall:
        return true;
    case SYS_clock_nanosleep:
        return (r.regs[1] & TIMER_ABSTIME) == 0;
    case SYS_futex:
        return (static_cast<int>(r.regs[1]) & FUTEX_CMD_MASK) == FUTEX_WAIT && r.regs[3] != 0;
    default:
        return false;
    }
}

bool may_be_borrowed(const Registers& registers) {
    return native(registers).has_sve_state == 0;
}

bool is_exit(const Registers& registers) {
    const user_regs_struct r = native(registers).general;
    // While a stop at a call is reported, x7 is 0 at its entry and 1 at its exit.
    return r.regs[8] == SYS_exit_group && r.regs[7] == 0;
}

Registers with_exit_code(const Registers& at_exit, int code) {
    NativeRegisters value = native(at_exit);
    value.general.regs[0] = static_cast<unsigned long long>(code);
    return wrapped(value);
}

std::optional<Registers> with_exit(const Registers& stopped, ByteView before_ip, int code) {
    if (before_ip.size() < kCallSize || before_ip.read<std::uint32_t>(before_ip.size() - kCallSize) != kSystemCallWord)
        return std::nullopt;
    NativeRegisters value = native(stopped);
    value.general.pc -= kCallSize;
    value.general.regs[8] = SYS_exit_group;
    value.general.regs[0] = static_cast<unsigned long long>(code);
    return wrapped(value);
}

Va ip_of(const Registers& registers) {
    return Va{native(registers).general.pc};
}

Va sp_of(const Registers& registers) {
    return Va{native(registers).general.sp};
}

std::int64_t returned(const Registers& registers) {
    return static_cast<std::int64_t>(native(registers).general.regs[0]);
}

// x18 is PE code's alone: Unix code uses it as it likes, and Wine finds its block by a key of the C library, which lies
// in the library's descriptor of the thread, below the thread pointer.
Va thread_block_of(const Registers& registers, const Memory& memory) {
    /// Of a descriptor; larger than any C library's, and the rest of it has no keys.
    constexpr std::uint64_t kDescriptor = 0x800;
    constexpr std::uint64_t kPage = 0x1000;
    constexpr std::uint64_t kSelf = 0x30;

    const std::uint64_t end = native(registers).thread_pointer & ~std::uint64_t{7};
    if (end < kDescriptor)
        return Va{};
    std::array<std::uint64_t, kDescriptor / 8> words{};
    const auto bytes = std::span(reinterpret_cast<std::uint8_t*>(words.data()), sizeof words);
    // Where it begins a mapping, there may be nothing below it.
    std::uint64_t size = kDescriptor;
    if (!memory.read(Va{end - size}, bytes)) {
        size = std::min(size, end % kPage);
        if (!memory.read(Va{end - size}, bytes.last(static_cast<std::size_t>(size))))
            return Va{};
    }
    for (std::size_t i = words.size(); i > words.size() - static_cast<std::size_t>(size / 8); --i) {
        const std::uint64_t word = words[i - 1];
        if (word != 0 && word % kPage == 0 && memory.value<std::uint64_t>(Va{word + kSelf}) == word)
            return Va{word};
    }
    return Va{};
}

void take_registers(const Registers& from, target::ThreadState& to) {
    const user_regs_struct r = native(from).general;
    to.ip = Va{r.pc};
    to.sp = Va{r.sp};
    to.registers = {};
    std::copy_n(std::begin(r.regs), std::min(std::size(r.regs), to.registers.size()), to.registers.begin());
    to.volatile_registers = true;
}

void take_return_registers(const Registers& from, std::vector<Va>& to) {
    const user_regs_struct r = native(from).general;
    for (const std::size_t number : {kStubLink, kIntraProcedure0, kIntraProcedure1, kLink})
        to.push_back(Va{r.regs[number]});
}

// struct syscall_frame of Wine's dlls/ntdll/unix/signal_arm64.c.
Va take_syscall_frame(std::span<const std::uint8_t, kSyscallFrameSize> frame, target::ThreadState& to) {
    const auto word = [&](std::size_t offset) {
        std::uint64_t value;
        std::memcpy(&value, frame.data() + offset, sizeof value);
        return value;
    };
    to.sp = Va{word(0xf8)};
    to.ip = Va{word(0x100)};
    to.registers = {};
    for (std::size_t i = 0; i < std::min<std::size_t>(31, to.registers.size()); ++i) // x0 to x28, fp, lr
        to.registers[i] = word(8 * i);
    to.volatile_registers = false;
    return Va{word(0x110)};
}

} // namespace suture::loader::arch
