// A thread that calls a function of PE code for an injector: the call's record and a signal frame with all its
// registers lie on the stack that it is on, so that it comes back by itself.
#include "loader/linux/wine.hpp"
#include "loader/linux/x64/registers.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>

namespace suture::loader::arch {

const bool kCallsPeCode = true;
const std::uint64_t kPeCallReturn = kPeCallOffset + 31;

namespace {

/// As the stub reads it from rbx.
struct PeRecord {
    std::uint64_t function;
    std::array<std::uint64_t, 3> arguments;
    std::uint64_t result;
    std::uint64_t frame_offset, frame_now, frame_before; ///< offset in the TEB; 0: nothing is to be stored
    std::uint64_t process, thread, doorbell;
    std::uint64_t return_frame;
};
static_assert(offsetof(PeRecord, result) == 32 && offsetof(PeRecord, frame_before) == 56 &&
              offsetof(PeRecord, return_frame) == 88);

// struct syscall_frame of Wine's dlls/ntdll/unix/signal_x86_64.c.
constexpr std::size_t kPreviousFrame = 0xa0;
constexpr std::uint64_t kFrameAlignment = 64; ///< of XSAVE

/// For the function's register arguments, and for its return address to lie as after a call.
constexpr std::uint64_t kShadow = 0x40;
constexpr std::uint64_t kDirection = 0x400; ///< EFLAGS.DF

} // namespace

std::optional<PeBorrowing> make_pe_call(const Registers& now, ByteView vector_registers, std::uint64_t mask,
                                        const PeCall& call) {
    auto back = return_frame(now, vector_registers, mask, Va{});
    if (!back)
        return std::nullopt;
    const std::uint64_t top = back->at.value + back->image.size();
    const std::uint64_t record_at = (back->at.value - sizeof(PeRecord)) & ~std::uint64_t{15};
    const Bytes& frame = call.syscall_frame.content;
    const std::uint64_t frame_at = frame.empty() ? record_at : (record_at - frame.size()) & ~(kFrameAlignment - 1);

    PeRecord record{};
    record.function = call.function.value;
    record.arguments = call.arguments;
    if (!frame.empty()) {
        record.frame_offset = call.syscall_frame.offset;
        record.frame_now = frame_at;
        record.frame_before = call.syscall_frame.at.value;
    }
    record.process = call.process;
    record.thread = call.thread;
    record.doorbell = static_cast<std::uint64_t>(call.doorbell);
    record.return_frame = back->at.value + 8;

    PeBorrowing made{{Va{frame_at}, Bytes(top - frame_at), now}, Va{record_at + offsetof(PeRecord, result)}};
    const auto at = [&](std::uint64_t address) {
        return made.image.begin() + static_cast<std::ptrdiff_t>(address - frame_at);
    };
    std::ranges::copy(back->image, at(back->at.value));
    std::memcpy(made.image.data() + (record_at - frame_at), &record, sizeof record);
    if (!frame.empty()) {
        std::ranges::copy(frame, at(frame_at));
        std::memcpy(made.image.data() + kPreviousFrame, &call.syscall_frame.at.value, 8);
    }
    user_regs_struct start = native(now);
    start.rip = call.stub.value + kPeCallOffset;
    start.rbx = record_at;
    start.rsp = (call.stack.value - kShadow) & ~std::uint64_t{15};
    start.orig_rax = kNoCall;
    start.eflags &= ~std::uint64_t{kDirection};
    made.start = wrapped(start);
    return made;
}

bool waits_for_the_program(const Registers& registers, Va block, const Memory& memory, const WineLayout& layout) {
    constexpr std::uint32_t kWine8Stack = 0x370;
    constexpr std::uint64_t kWaitPipe = 0x380; ///< of the server's answer that ends a wait, in Wine 8
    const user_regs_struct r = native(registers);
    if (layout.syscall_frame != kSyscallFrameOffsets.front() || layout.kernel_stack != kWine8Stack)
        return false; // in other versions the thread may be anywhere
    if (restart_of(r) != Restart::again)
        return false;
    return r.orig_rax == SYS_pselect6 || (r.orig_rax == SYS_read && memory.value<std::int32_t>(block + kWaitPipe) ==
                                                                        static_cast<std::int32_t>(r.rdi));
}

} // namespace suture::loader::arch
