// The first call, before there is a stub: the thread returns from it into rt_sigreturn, which puts everything back.
#include "loader/linux/aarch64/registers.hpp"

#include <elf.h>

#include <algorithm>
#include <array>

namespace suture::loader::arch {

const int kVectorRegisterSet = NT_PRFPREG;

namespace {

using Words = std::array<std::uint32_t, 2>;
constexpr Words kCallAndReturn = {kSystemCallWord, 0xd65f03c0};  // svc #0; ret
constexpr Words kRestoreContext = {0xd2801168, kSystemCallWord}; // mov x8, #139; svc #0

constexpr std::uint32_t kVectorMagic = 0x46508001; ///< FPSIMD_MAGIC
/// No valid value: the kernel then leaves the alternate signal stack as it is.
constexpr std::uint32_t kKeepSignalStack = 3;

/// struct user_fpsimd_state, as ptrace gives it.
struct VectorRegisters {
    std::uint8_t values[32][16];
    std::uint32_t status, control;
    std::uint32_t reserved[2];
};
static_assert(sizeof(VectorRegisters) == 528);

} // namespace

SignalFrame frame_of(const NativeRegisters& registers, std::uint64_t mask) {
    SignalFrame frame{};
    frame.stack_flags = kKeepSignalStack;
    frame.mask = mask;
    std::ranges::copy(registers.general.regs, std::begin(frame.registers));
    frame.sp = registers.general.sp;
    frame.pc = registers.general.pc;
    frame.pstate = registers.general.pstate;
    frame.vector.magic = kVectorMagic;
    frame.vector.size = sizeof frame.vector;
    return frame;
}

void find_gadgets(ByteView code, Va at, Gadgets& gadgets) {
    const auto find = [&](const Words& pattern, Va& found) {
        for (std::size_t offset = 0; found.value == 0 && offset + sizeof pattern <= code.size(); offset += 4)
            if (code.read<std::uint32_t>(offset) == pattern[0] && code.read<std::uint32_t>(offset + 4) == pattern[1])
                found = at + offset;
    };
    find(kCallAndReturn, gadgets.call);
    find(kRestoreContext, gadgets.restore_context);
}

std::optional<Borrowing> make_frame(const Registers& now, ByteView vector_registers, std::uint64_t mask,
                                    const Gadgets& gadgets, const SystemCall& call) {
    const auto vector = vector_registers.read<VectorRegisters>(0);
    if (!vector || !may_be_borrowed(now))
        return std::nullopt;
    NativeRegisters start = native(now);
    SignalFrame frame = frame_of(start, mask);
    std::memcpy(frame.vector.values, vector->values, sizeof frame.vector.values);
    frame.vector.status = vector->status;
    frame.vector.control = vector->control;

    const std::uint64_t base = (start.general.sp - kRedZone - sizeof frame) & ~std::uint64_t{15};
    Borrowing borrowing{Va{base}, Bytes(sizeof frame), now};
    std::memcpy(borrowing.image.data(), &frame, sizeof frame);

    // x7 stays: what a tracer writes to it while a stop at a call is reported is lost.
    std::ranges::copy(call.arguments, std::begin(start.general.regs));
    start.general.regs[8] = static_cast<std::uint64_t>(call.number);
    start.general.regs[30] = gadgets.restore_context.value;
    start.general.sp = base;
    start.general.pc = gadgets.call.value;
    start.general.pstate &= ~kBranchType;
    borrowing.start = wrapped(start);
    return borrowing;
}

} // namespace suture::loader::arch
