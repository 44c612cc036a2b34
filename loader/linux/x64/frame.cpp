// The first call, before there is a stub: the thread returns from it into rt_sigreturn, which puts everything back.
#include "loader/linux/x64/registers.hpp"

#include <cpuid.h>
#include <elf.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

namespace suture::loader::arch {

const int kVectorRegisterSet = NT_X86_XSTATE;

namespace {

constexpr std::array<std::uint8_t, 3> kCallAndReturn = {0x0f, 0x05, 0xc3}; // syscall; ret
constexpr std::array<std::uint8_t, 9> kRestoreContext = {0x48, 0xc7, 0xc0, 0x0f, 0,
                                                         0,    0,    0x0f, 0x05}; // mov rax, 15; syscall

/// struct rt_sigframe less siginfo (arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h).
struct SignalFrame {
    std::uint64_t return_address;
    std::uint64_t flags, link, stack_pointer;
    std::uint32_t stack_flags, stack_padding;
    std::uint64_t stack_size;
    std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    std::uint16_t cs, gs, fs, ss;
    std::uint64_t error, trap, old_mask, cr2, fpstate;
    std::array<std::uint64_t, 8> reserved;
    std::uint64_t mask;
};
static_assert(offsetof(SignalFrame, rip) == 8 + 0xa8 && offsetof(SignalFrame, fpstate) == 8 + 0xe0 &&
              offsetof(SignalFrame, mask) == 8 + 0x128);
constexpr std::uint64_t kFrameFlags = 7; ///< UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
/// No valid value: the kernel then leaves the alternate signal stack as it is.
constexpr std::uint32_t kKeepSignalStack = 3;
/// What the kernel may have of the alternate stack's frame above: room between the frame and the vector registers.
constexpr std::uint64_t kFrameRoom = 0x130 + 0x80;

/// struct _fpx_sw_bytes, at the end of the legacy area.
constexpr std::size_t kSoftwareBytes = 464;
constexpr std::size_t kLegacySize = 512;
constexpr std::size_t kHeaderSize = 64;
constexpr std::uint32_t kMagic1 = 0x46505853;
constexpr std::uint32_t kMagic2 = 0x46505845;
constexpr unsigned kTileData = 18; ///< AMX

constexpr std::uint64_t kRedZone = 128;
constexpr std::uint64_t kDirection = 0x400; ///< EFLAGS.DF

template <class T>
void put(Bytes& bytes, std::size_t at, const T& value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

/// The XSAVE area as a signal frame has it.
std::optional<Bytes> vector_area(ByteView registers) {
    auto features = registers.read<std::uint64_t>(kSoftwareBytes); // XCR0, where ptrace puts it
    const auto used = registers.read<std::uint64_t>(kLegacySize);  // XSTATE_BV
    if (!features || !used || registers.size() < kLegacySize + kHeaderSize)
        return std::nullopt;
    std::size_t size = registers.size();
    // Of a process that was never allowed to use AMX the kernel takes no area that has room for it.
    if (*features >> kTileData & 1 && !(*used >> kTileData & 1)) {
        unsigned component_size = 0, offset = 0, c = 0, d = 0;
        if (!__get_cpuid_count(0xd, kTileData, &component_size, &offset, &c, &d) ||
            offset < kLegacySize + kHeaderSize || offset > size)
            return std::nullopt;
        size = offset;
        *features &= ~(std::uint64_t{1} << kTileData);
    }
    Bytes area(registers.begin(), registers.begin() + static_cast<std::ptrdiff_t>(size));
    std::fill(area.begin() + kSoftwareBytes, area.begin() + kLegacySize, std::uint8_t{0});
    put(area, kSoftwareBytes, kMagic1);
    put(area, kSoftwareBytes + 4, static_cast<std::uint32_t>(size + sizeof kMagic2));
    put(area, kSoftwareBytes + 8, *features);
    put(area, kSoftwareBytes + 16, static_cast<std::uint32_t>(size));
    area.resize(size + sizeof kMagic2);
    put(area, size, kMagic2);
    return area;
}

/// rt_sigreturn ends what is left of an interrupted wait, so that the call starts anew.
user_regs_struct frame_registers(const Registers& now) {
    user_regs_struct r = native(now);
    if (restart_of(r) != Restart::block)
        return native(with_restart(now));
    if (r.orig_rax == SYS_restart_syscall) {
        r.rax = static_cast<unsigned long long>(-EINTR); // which call it was is not known any more
    } else {
        r.rip -= 2;
        r.rax = r.orig_rax;
    }
    return r;
}

} // namespace

void find_gadgets(ByteView code, Va at, Gadgets& gadgets) {
    const auto find = [&](const auto& pattern, Va& found) {
        if (found.value != 0)
            return;
        const auto place = std::search(code.begin(), code.end(), pattern.begin(), pattern.end());
        if (place != code.end())
            found = at + static_cast<std::uint64_t>(place - code.begin());
    };
    find(kCallAndReturn, gadgets.call);
    find(kRestoreContext, gadgets.restore_context);
}

std::optional<Borrowing> return_frame(const Registers& now, ByteView vector_registers, std::uint64_t mask,
                                      Va return_address) {
    const auto area = vector_area(vector_registers);
    if (!area)
        return std::nullopt;
    const user_regs_struct r = frame_registers(now);
    const std::uint64_t top = r.rsp - kRedZone;
    const std::uint64_t area_at = (top - area->size()) & ~std::uint64_t{63};
    const std::uint64_t base = ((area_at - kFrameRoom) & ~std::uint64_t{15}) - 8;

    SignalFrame frame{};
    frame.return_address = return_address.value;
    frame.flags = kFrameFlags;
    frame.stack_flags = kKeepSignalStack;
    frame.r8 = r.r8, frame.r9 = r.r9, frame.r10 = r.r10, frame.r11 = r.r11;
    frame.r12 = r.r12, frame.r13 = r.r13, frame.r14 = r.r14, frame.r15 = r.r15;
    frame.rdi = r.rdi, frame.rsi = r.rsi, frame.rbp = r.rbp, frame.rbx = r.rbx;
    frame.rdx = r.rdx, frame.rax = r.rax, frame.rcx = r.rcx, frame.rsp = r.rsp;
    frame.rip = r.rip, frame.eflags = r.eflags;
    frame.cs = static_cast<std::uint16_t>(r.cs);
    frame.ss = static_cast<std::uint16_t>(r.ss);
    frame.fpstate = area_at;
    frame.mask = mask;

    Borrowing borrowing{Va{base}, Bytes(top - base), now};
    put(borrowing.image, 0, frame);
    std::copy(area->begin(), area->end(), borrowing.image.begin() + static_cast<std::ptrdiff_t>(area_at - base));
    return borrowing;
}

std::optional<Borrowing> make_frame(const Registers& now, ByteView vector_registers, std::uint64_t mask,
                                    const Gadgets& gadgets, const SystemCall& call) {
    auto borrowing = return_frame(now, vector_registers, mask, gadgets.restore_context);
    if (!borrowing)
        return std::nullopt;
    user_regs_struct start = native(now);
    start.rip = gadgets.call.value;
    start.rsp = borrowing->at.value;
    start.rax = static_cast<unsigned long long>(call.number);
    start.orig_rax = kNoCall;
    start.rdi = call.arguments[0], start.rsi = call.arguments[1], start.rdx = call.arguments[2];
    start.r10 = call.arguments[3], start.r8 = call.arguments[4], start.r9 = call.arguments[5];
    start.eflags &= ~std::uint64_t{kDirection};
    borrowing->start = wrapped(start);
    return borrowing;
}

} // namespace suture::loader::arch
