// A thread that is borrowed runs the stub: the calls listed on its own stack, whose results may be arguments of later
// ones, and then rt_sigreturn from a frame there, which leads back. Nothing of it is anywhere else, so any number of
// threads may be in it, and one whose tracer dies comes back by itself.
#include "loader/linux/aarch64/registers.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <vector>

namespace suture::loader::arch {

namespace {

// x19: the list of calls, x20: their number, x21: the frame, which gets the vector registers first.
constexpr std::array<std::uint32_t, 43> kStub = {
    0x910982a9,                                     //   0: add x9, x21, #608
    0xac810520, 0xac810d22, 0xac811524, 0xac811d26, //   4: stp q0, q1, [x9], #32 and so on
    0xac812528, 0xac812d2a, 0xac81352c, 0xac813d2e, //
    0xac814530, 0xac814d32, 0xac815534, 0xac815d36, //
    0xac816538, 0xac816d3a, 0xac81753c, 0xac817d3e, //
    0xd53b4429,                                     //  68: mrs x9, fpsr
    0xd53b440a,                                     //  72: mrs x10, fpcr
    0xb9025aa9,                                     //  76: str w9, [x21, #600]
    0xb9025eaa,                                     //  80: str w10, [x21, #604]
    0xf9400268,                                     //  84: ldr x8, [x19]
    0xa9408660,                                     //  88: ldp x0, x1, [x19, #8]
    0xa9418e62,                                     //  92: ldp x2, x3, [x19, #24]
    0xa9429664,                                     //  96: ldp x4, x5, [x19, #40]
    kSystemCallWord,                                // 100: svc #0
    0xf9001e60,                                     // 104: str x0, [x19, #56]
    0xf9402269,                                     // 108: ldr x9, [x19, #64]
    0xb40000a9,                                     // 112: cbz x9, 132
    0xf940012a,                                     // 116: ldr x10, [x9]
    0xf9000120,                                     // 120: str x0, [x9]
    0xaa0a03e9,                                     // 124: mov x9, x10
    0x17fffffc,                                     // 128: b 112
    0x91012273,                                     // 132: add x19, x19, #72
    0xd1000694,                                     // 136: sub x20, x20, #1
    0xb5fffe54,                                     // 140: cbnz x20, 84
    0x910002bf,                                     // 144: mov sp, x21
    0xd2801168,                                     // 148: mov x8, #139 (rt_sigreturn)
    kSystemCallWord,                                // 152: svc #0
    // What says that a page is a stub of this form, with the code itself.
    0x75747573, 0x73206572, 0x20627574, 0x00000033, // "suture stub 3"
};
constexpr std::uint64_t kAfterCall = 104;
constexpr auto kStubBytes = std::bit_cast<std::array<std::uint8_t, sizeof kStub>>(kStub);
static_assert(offsetof(SignalFrame, vector.values) == 608 && offsetof(SignalFrame, vector.status) == 600 &&
              SYS_rt_sigreturn == 139);

struct Call {
    std::uint64_t number;
    std::array<std::uint64_t, 6> arguments;
    std::uint64_t result;
    /// Address of an argument that becomes the result, which holds the address of the next such argument; 0 ends it.
    std::uint64_t receivers;
};
static_assert(sizeof(Call) == 72);

} // namespace

std::span<const std::uint8_t> stub_code() {
    return kStubBytes;
}

Borrowing make_batch(const Registers& now, std::uint64_t mask, Va stub, std::span<const SystemCall> calls,
                     std::uint64_t pid, std::uint64_t tid, int doorbell) {
    NativeRegisters start = native(now);
    const SignalFrame frame = frame_of(start, mask);
    const std::uint64_t frame_at = (start.general.sp - kRedZone - sizeof frame) & ~std::uint64_t{15};
    std::uint64_t texts_at = frame_at;
    for (const SystemCall& call : calls)
        texts_at -= call.text.empty() ? 0 : call.text.size() + 1;
    const std::uint64_t count = calls.size() + 1;
    const std::uint64_t calls_at = (texts_at - count * sizeof(Call)) & ~std::uint64_t{15};

    Borrowing batch{Va{calls_at}, Bytes(frame_at + sizeof frame - calls_at), now};
    std::vector<Call> list;
    list.reserve(count);
    for (const SystemCall& call : calls) {
        list.push_back({static_cast<std::uint64_t>(call.number), call.arguments, 0, 0});
        if (!call.text.empty()) {
            std::ranges::copy(call.text, batch.image.begin() + static_cast<std::ptrdiff_t>(texts_at - calls_at));
            list.back().arguments[1] = texts_at;
            texts_at += call.text.size() + 1;
        }
        if (call.takes.places == 0)
            continue;
        Call& giver = list[list.size() - 1 - call.takes.places];
        list.back().arguments[call.takes.argument] = giver.receivers;
        giver.receivers = calls_at + (list.size() - 1) * sizeof(Call) + offsetof(Call, arguments) +
                          call.takes.argument * sizeof(std::uint64_t);
    }
    list.push_back({SYS_tgkill, {pid, tid, static_cast<std::uint64_t>(doorbell)}, 0, 0});
    std::memcpy(batch.image.data(), list.data(), list.size() * sizeof(Call));
    std::memcpy(batch.image.data() + (frame_at - calls_at), &frame, sizeof frame);

    start.general.pc = stub.value;
    start.general.sp = calls_at;
    start.general.regs[19] = calls_at;
    start.general.regs[20] = count;
    start.general.regs[21] = frame_at;
    start.general.pstate &= ~kBranchType;
    batch.start = wrapped(start);
    return batch;
}

bool rang(const Registers& registers, Va stub) {
    const user_regs_struct r = native(registers).general;
    return r.pc == stub.value + kAfterCall && r.regs[20] == 1;
}

std::int64_t result_of(ByteView image, std::size_t index) {
    return image.read<std::int64_t>(index * sizeof(Call) + offsetof(Call, result)).value_or(-1);
}

} // namespace suture::loader::arch
