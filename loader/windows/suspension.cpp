#include "loader/windows/suspension.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace suture::loader {

namespace {

// Of the thread environment block (NT_TIB) on 64 bits; the limit comes right behind.
constexpr std::uint32_t kStackBase = 0x08;

/// CONTEXT holds vector registers at multiples of 16.
struct alignas(16) Context {
    CONTEXT context;
};

struct ThreadBasicInformation {
    NTSTATUS exit_status;
    void* teb;
    CLIENT_ID client;
    KAFFINITY affinity;
    LONG priority, base_priority;
};

bool has_ended(HANDLE thread) {
    return ::WaitForSingleObject(thread, 0) == WAIT_OBJECT_0;
}

std::optional<ThreadBasicInformation> information_of(HANDLE thread) {
    ThreadBasicInformation basic{};
    if (!succeeded(NtQueryInformationThread(thread, THREADINFOCLASS{}, &basic, sizeof basic, nullptr)))
        return std::nullopt;
    return basic;
}

struct StackLimits {
    std::uint64_t base, limit;
};

/// Of all threads at once: their environment blocks lie together.
void find_stacks(const Memory& memory, std::span<const Va> blocks, std::span<target::ThreadState> threads) {
    std::vector<StackLimits> limits(blocks.size());
    std::vector<target::Reading> readings;
    for (std::size_t i = 0; i < blocks.size(); ++i)
        readings.push_back(
            {blocks[i] + kStackBase, {reinterpret_cast<std::uint8_t*>(&limits[i]), sizeof(StackLimits)}});
    memory.read(readings); // what cannot be read stays zero
    for (std::size_t i = 0; i < limits.size(); ++i) {
        if (limits[i].limit >= limits[i].base)
            continue;
        const VaRange stack{Va{limits[i].limit}, limits[i].base - limits[i].limit};
        if (stack.contains(threads[i].sp))
            threads[i].stack = stack;
    }
}

target::ThreadState state_of(const ThreadBasicInformation& basic, const CONTEXT& context) {
    target::ThreadState state;
    state.id = reinterpret_cast<std::uint64_t>(basic.client.UniqueThread);
    state.ip = Va{context.Rip};
    state.sp = Va{context.Rsp};
    const std::array registers{context.Rax, context.Rcx, context.Rdx, context.Rbx, context.Rsp, context.Rbp,
                               context.Rsi, context.Rdi, context.R8,  context.R9,  context.R10, context.R11,
                               context.R12, context.R13, context.R14, context.R15};
    std::ranges::copy(registers, state.registers.begin());
    // Nothing tells whether the thread is within a system call, behind which they are whatever the kernel left there.
    state.volatile_registers = false;
    return state;
}

/// A change of protection makes every place of executable pages a target that control-flow guard lets through, unless
/// this is said: pages of a guarded module keep the targets that they have.
DWORD keeping_targets(DWORD protection) {
    Pages pages{};
    pages.state = MEM_COMMIT;
    pages.protection = protection;
    return pages.executable() ? protection | PAGE_TARGETS_NO_UPDATE : protection;
}

/// The protection that lets pages be written while they keep all else. Pages of images and views become the process's
/// own; code stays executable, so that the process runs on where nobody is left to give the old protection back.
DWORD writable_of(const Pages& pages) {
    const bool own = pages.type == MEM_PRIVATE;
    if (pages.executable())
        return own ? PAGE_EXECUTE_READWRITE : PAGE_EXECUTE_WRITECOPY;
    return own ? PAGE_READWRITE : PAGE_WRITECOPY;
}

} // namespace

Suspension::Suspension(const Memory& memory, Unfinished& unfinished)
    : memory_(&memory), unfinished_(&unfinished), began_(std::chrono::steady_clock::now()) {}

Suspension::Suspension(Suspension&& other) noexcept
    : memory_(other.memory_), unfinished_(std::exchange(other.unfinished_, nullptr)), began_(other.began_),
      threads_(std::move(other.threads_)) {}

Result<Suspension> Suspension::of(const Memory& memory, Unfinished& unfinished) {
    Suspension suspension(memory, unfinished);
    unfinished.stopped = 1;
    if (const NTSTATUS status = NtSuspendProcess(memory.process()); !succeeded(status)) {
        unfinished.stopped = 0;
        suspension.unfinished_ = nullptr;
        return fail(Code::target_stop_failed,
                    fmt::format("NtSuspendProcess: status 0x{:08x}", static_cast<std::uint32_t>(status)));
    }
    SUTURE_CHECK(suspension.look());
    return suspension;
}

Result<void> Suspension::look() {
    constexpr auto kStillActive = static_cast<NTSTATUS>(STILL_ACTIVE);
    constexpr ACCESS_MASK kAccess = THREAD_GET_CONTEXT | THREAD_QUERY_INFORMATION | SYNCHRONIZE;
    Handle thread;
    std::vector<Va> blocks; // of each
    for (;;) {
        HANDLE next = nullptr;
        const NTSTATUS status = NtGetNextThread(memory_->process(), thread.get(), kAccess, 0, 0, &next);
        if (status == kNoMoreEntries)
            break;
        // A thread that is not looked at may be anywhere.
        if (!succeeded(status))
            return fail(Code::target_stop_failed,
                        fmt::format("NtGetNextThread: status 0x{:08x}", static_cast<std::uint32_t>(status)));
        thread = Handle(next);
        // That it could be read is the proof that the thread stands.
        Context registers{};
        registers.context.ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER;
        if (!::GetThreadContext(thread.get(), &registers.context)) {
            if (has_ended(thread.get()))
                continue;
            return fail(Error(Code::target_stop_failed, fmt::format("its registers cannot be read ({})", last_error()))
                            .in_thread(::GetThreadId(thread.get())));
        }
        const auto basic = information_of(thread.get());
        if (!basic)
            return fail(Error(Code::target_stop_failed, "its stack is not known").in_thread(::GetThreadId(thread.get())));
        if (basic->exit_status != kStillActive && has_ended(thread.get()))
            continue;
        threads_.push_back(state_of(*basic, registers.context));
        blocks.push_back(Va{reinterpret_cast<std::uint64_t>(basic->teb)});
    }
    find_stacks(*memory_, blocks, threads_);
    std::ranges::sort(threads_, {}, &target::ThreadState::id);
    return {};
}

bool Suspension::open(VaRange range) {
    for (std::uint32_t i = 0; i < unfinished_->opened_count; ++i) {
        const auto& opened = unfinished_->opened[i];
        if (opened.at <= range.begin.value && range.end().value <= opened.at + opened.size)
            return true;
    }
    for (const Pages& pages : memory_->pages(range)) {
        const Va begin = std::max(pages.range.begin, range.begin);
        const VaRange part{begin, std::min(pages.range.end(), range.end()) - begin};
        if (pages.writable())
            continue;
        const std::uint32_t count = unfinished_->opened_count;
        if (count == Unfinished::kMaxPages || !pages.committed())
            return false;
        unfinished_->opened[count] = {part.begin.value, part.size, keeping_targets(pages.protection)};
        unfinished_->opened_count = count + 1; // before, so that the watchdog knows of it in time
        if (!memory_->protect(part, keeping_targets(writable_of(pages)))) {
            unfinished_->opened_count = count;
            return false;
        }
    }
    return true;
}

bool Suspension::write(VaRange pages, Va at, ByteView bytes) {
    if (!open(pages) || !memory_->write(at, bytes))
        return false;
    ::FlushInstructionCache(memory_->process(), reinterpret_cast<void*>(at.value), bytes.size());
    Bytes found(bytes.size());
    return memory_->read(at, found) && std::ranges::equal(found, bytes);
}

bool Suspension::release() {
    if (!unfinished_)
        return true;
    Unfinished& unfinished = *std::exchange(unfinished_, nullptr);
    bool done = true;
    for (std::uint32_t i = 0; i < unfinished.opened_count; ++i)
        done = memory_->protect({Va{unfinished.opened[i].at}, unfinished.opened[i].size},
                                unfinished.opened[i].protection) &&
               done;
    unfinished.opened_count = 0;
    done = succeeded(NtResumeProcess(memory_->process())) && done;
    unfinished.stopped = 0;
    return done;
}

} // namespace suture::loader
