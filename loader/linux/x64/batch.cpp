// A thread that is borrowed runs the stub: the calls listed on its own stack, whose results may be arguments of later
// ones, and back. Nothing of it is anywhere else, so any number of threads may be in it, and one whose tracer dies
// comes back by itself.
#include "loader/linux/x64/registers.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <vector>

namespace suture::loader::arch {

namespace {

// rbx: the list of calls, r12: their number, r13: the registers to go back to.
constexpr std::array<std::uint8_t, kPeCallOffset + 92> kStub = {
    0x48, 0x8b, 0x03,                         //  0: mov rax, [rbx]
    0x48, 0x8b, 0x7b, 0x08,                   //  3: mov rdi, [rbx+8]
    0x48, 0x8b, 0x73, 0x10,                   //  7: mov rsi, [rbx+16]
    0x48, 0x8b, 0x53, 0x18,                   // 11: mov rdx, [rbx+24]
    0x4c, 0x8b, 0x53, 0x20,                   // 15: mov r10, [rbx+32]
    0x4c, 0x8b, 0x43, 0x28,                   // 19: mov r8, [rbx+40]
    0x4c, 0x8b, 0x4b, 0x30,                   // 23: mov r9, [rbx+48]
    0x0f, 0x05,                               // 27: syscall
    0x48, 0x89, 0x43, 0x38,                   // 29: mov [rbx+56], rax
    0x48, 0x8b, 0x4b, 0x40,                   // 33: mov rcx, [rbx+64]
    0xe3, 0x0b,                               // 37: jrcxz 50
    0x48, 0x8b, 0x11,                         // 39: mov rdx, [rcx]
    0x48, 0x89, 0x01,                         // 42: mov [rcx], rax
    0x48, 0x89, 0xd1,                         // 45: mov rcx, rdx
    0xeb, 0xf3,                               // 48: jmp 37
    0x48, 0x83, 0xc3, 0x48,                   // 50: add rbx, 72
    0x49, 0xff, 0xcc,                         // 54: dec r12
    0x75, 0xc5,                               // 57: jnz 0
    0x4c, 0x89, 0xec,                         // 59: mov rsp, r13
    0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d,       // 62: pop r15, r14, r13
    0x41, 0x5c, 0x41, 0x5b, 0x41, 0x5a,       // 68: pop r12, r11, r10
    0x41, 0x59, 0x41, 0x58,                   // 74: pop r9, r8
    0x5d, 0x5f, 0x5e, 0x5a, 0x59, 0x5b, 0x58, // 78: pop rbp, rdi, rsi, rdx, rcx, rbx, rax
    0x9d,                                     // 85: popfq
    0xc2, 0x80, 0x00,                         // 86: ret 128
    // What says that a page is a stub of this form, with the code itself.
    's', 'u', 't', 'u', 'r', 'e', ' ', 's', 't', 'u', 'b', ' ', '3', 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    // rbx: a PeRecord (pe_call.cpp). The function keeps it.
    0x48, 0x8b, 0x43, 0x28,       // 120: mov rax, [rbx+40]
    0x48, 0x85, 0xc0,             // 124: test rax, rax
    0x74, 0x08,                   // 127: jz 137
    0x48, 0x8b, 0x4b, 0x30,       // 129: mov rcx, [rbx+48]
    0x65, 0x48, 0x89, 0x08,       // 133: mov gs:[rax], rcx
    0x48, 0x8b, 0x4b, 0x08,       // 137: mov rcx, [rbx+8]
    0x48, 0x8b, 0x53, 0x10,       // 141: mov rdx, [rbx+16]
    0x4c, 0x8b, 0x43, 0x18,       // 145: mov r8, [rbx+24]
    0xff, 0x13,                   // 149: call [rbx]
    // A frame that comes to lie there later must not look as if the function were running.
    0x48, 0xc7, 0x44, 0x24, 0xf8, // 151: mov qword [rsp-8], 0
    0, 0, 0, 0,
    0x48, 0x89, 0x43, 0x20,       // 160: mov [rbx+32], rax
    0x48, 0x8b, 0x43, 0x28,       // 164: mov rax, [rbx+40]
    0x48, 0x85, 0xc0,             // 168: test rax, rax
    0x74, 0x08,                   // 171: jz 181
    0x48, 0x8b, 0x4b, 0x38,       // 173: mov rcx, [rbx+56]
    0x65, 0x48, 0x89, 0x08,       // 177: mov gs:[rax], rcx
    0x48, 0x8b, 0x7b, 0x40,       // 181: mov rdi, [rbx+64]
    0x48, 0x8b, 0x73, 0x48,       // 185: mov rsi, [rbx+72]
    0x48, 0x8b, 0x53, 0x50,       // 189: mov rdx, [rbx+80]
    0xb8, 0xea, 0x00, 0x00, 0x00, // 193: mov eax, 234 (tgkill)
    0x0f, 0x05,                   // 198: syscall
    0x48, 0x8b, 0x63, 0x58,       // 200: mov rsp, [rbx+88]
    0xb8, 0x0f, 0x00, 0x00, 0x00, // 204: mov eax, 15 (rt_sigreturn)
    0x0f, 0x05,                   // 209: syscall
    0xcc};                        // 211: int3
constexpr std::uint64_t kAfterCall = 29;

struct Call {
    std::uint64_t number;
    std::array<std::uint64_t, 6> arguments;
    std::uint64_t result;
    /// Address of an argument that becomes the result, which holds the address of the next such argument; 0 ends it.
    std::uint64_t receivers;
};
static_assert(sizeof(Call) == 72);

/// As the stub pops them, and the return address.
struct Home {
    std::uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax, eflags, rip;
};
static_assert(sizeof(Home) == 17 * 8);

/// Below rsp: belongs to the interrupted function (System V ABI 3.2.2).
constexpr std::uint64_t kRedZone = 128;
constexpr std::uint64_t kDirection = 0x400; ///< EFLAGS.DF

} // namespace

std::span<const std::uint8_t> stub_code() {
    return kStub;
}

Borrowing make_batch(const Registers& now, std::uint64_t mask, Va stub, std::span<const SystemCall> calls,
                     std::uint64_t pid, std::uint64_t tid, int doorbell) {
    const user_regs_struct r = native(with_restart(now));
    const Home home{r.r15, r.r14, r.r13, r.r12, r.r11, r.r10, r.r9,     r.r8, r.rbp,
                    r.rdi, r.rsi, r.rdx, r.rcx, r.rbx, r.rax, r.eflags, r.rip};
    const std::uint64_t top = r.rsp - kRedZone;
    const std::uint64_t home_at = top - sizeof home;
    const std::uint64_t mask_at = home_at - 8;
    std::uint64_t texts_at = mask_at;
    for (const SystemCall& call : calls)
        texts_at -= call.text.empty() ? 0 : call.text.size() + 1;
    const std::uint64_t count = calls.size() + 2;
    const std::uint64_t calls_at = (texts_at - count * sizeof(Call)) & ~std::uint64_t{15};

    Borrowing batch{Va{calls_at}, Bytes(top - calls_at), now};
    const auto put = [&](std::uint64_t at, const auto& value) {
        std::memcpy(batch.image.data() + (at - calls_at), &value, sizeof value);
    };
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
    list.push_back({SYS_rt_sigprocmask, {SIG_SETMASK, mask_at, 0, sizeof mask}, 0, 0});
    std::memcpy(batch.image.data(), list.data(), list.size() * sizeof(Call));
    put(mask_at, mask);
    put(home_at, home);

    user_regs_struct start = native(now);
    start.rip = stub.value;
    start.rbx = calls_at;
    start.r12 = count;
    start.r13 = home_at;
    start.rsp = calls_at;
    start.orig_rax = kNoCall;
    start.eflags &= ~std::uint64_t{kDirection};
    batch.start = wrapped(start);
    return batch;
}

bool rang(const Registers& registers, Va stub) {
    const user_regs_struct r = native(registers);
    return r.rip == stub.value + kAfterCall && r.r12 == 2;
}

std::int64_t result_of(ByteView image, std::size_t index) {
    return image.read<std::int64_t>(index * sizeof(Call) + offsetof(Call, result)).value_or(-1);
}

} // namespace suture::loader::arch
