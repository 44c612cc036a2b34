#include "loader/linux/calls.hpp"

#include "loader/linux/procfs.hpp"
#include "loader/linux/stub.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

namespace suture::loader {

using arch::SystemCall;
using tracing::Event;

namespace {

constexpr std::uint64_t bit(int number) {
    return std::uint64_t{1} << (number - 1);
}

/// Those that the thread itself can cause; blocked, they would end the process.
constexpr std::uint64_t kOwnFaults =
    bit(SIGTRAP) | bit(SIGSEGV) | bit(SIGILL) | bit(SIGBUS) | bit(SIGFPE) | bit(SIGSYS);

bool is_own_fault(int number) {
    return kOwnFaults & bit(number);
}

/// Of the stack, for a batch or for a signal frame with its vector registers.
constexpr std::uint64_t kStackNeed = 0x1800;
/// Below this much above a stack's end nothing is written.
constexpr std::uint64_t kUnixStackRest = 0x1000;
constexpr std::uint64_t kWindowsStackRest = 0x100;

/// Bytes above a stack pointer among which the stub's return address is, if the stub has called PE code.
constexpr std::size_t kPeCallDepth = 0x2000;

/// Of one batch that goes wrong for a reason which another thread may not have.
std::unexpected<Error> unsuitable(const StoppedThread& thread, std::string why) {
    return fail(Error(Code::target_map_failed, std::move(why)).in_thread(static_cast<std::uint64_t>(thread.tid)));
}

std::unexpected<Error> gone(const Memory& memory) {
    return fail(Code::target_gone, fmt::format("process {} has ended", memory.pid()));
}

std::string describe(std::int64_t result) {
    return std::strerror(static_cast<int>(-result));
}

bool failed(std::int64_t result) {
    return result < 0 && result > -4096;
}

} // namespace

std::optional<VaRange> RemoteCalls::free_stack(const StoppedThread& thread) const {
    const auto block = read_thread_block(memory_, layout_, arch::thread_block_of(thread.registers, memory_));
    if (!block || !arch::may_be_borrowed(thread.registers))
        return std::nullopt;
    // A fault that it has caused just now would be taken for one of the code that it is borrowed for.
    const auto pending = tracing::own_pending(thread.tid);
    if (!pending || *pending & kOwnFaults)
        return std::nullopt;
    const Va sp = arch::sp_of(thread.registers);
    Va floor;
    if (block->in_unix_code(sp))
        floor = block->kernel_stack + kUnixStackRest;
    else if (block->stack.contains(sp))
        floor = block->stack.begin + kWindowsStackRest;
    else
        return std::nullopt; // on a signal stack
    // Guard pages are entries of their own.
    const MapEntry* entry = find_entry(maps_, sp);
    if (!entry || !entry->writable || entry->shared)
        return std::nullopt;
    floor = std::max(floor, entry->range.begin);
    if (sp < floor)
        return std::nullopt;
    return VaRange{floor, sp - floor};
}

Result<void> RemoteCalls::find_gadgets() {
    /// Of one file's code; libc has 1.4 MiB.
    constexpr std::uint64_t kMaxCode = std::uint64_t{64} << 20;
    const auto search = [&](auto wanted) {
        for (const MapEntry& entry : maps_) {
            if (gadgets_.complete() || !entry.executable || entry.range.size > kMaxCode || !wanted(entry))
                continue;
            Bytes code(static_cast<std::size_t>(entry.range.size));
            if (memory_.read(entry.range.begin, code))
                arch::find_gadgets(code, entry.range.begin, gadgets_);
        }
    };
    const auto is_file = [](const MapEntry& entry, std::string_view part) {
        return entry.inode != 0 && entry.path.find(part) != std::string::npos;
    };
    search([&](const MapEntry& entry) { return is_file(entry, "/libc.so"); });
    search([](const MapEntry& entry) { return entry.path == "[vdso]"; });
    search([&](const MapEntry& entry) { return is_file(entry, ".so"); });
    if (!gadgets_.complete())
        return fail(Code::target_map_failed,
                    fmt::format("process {} has no C library with the instructions that are needed", memory_.pid()));
    return {};
}

Result<void> RemoteCalls::prepare() {
    SUTURE_TRY(const Status status, read_status(memory_.pid()));
    if (status.shadow_stack)
        return fail(Code::target_map_failed,
                    fmt::format("process {} uses shadow stacks, which forbid to borrow a thread", memory_.pid()));
    doorbell_ = 0;
    for (const int number : {SIGURG, SIGWINCH}) {
        if (!(status.caught & bit(number)) && doorbell_ == 0)
            doorbell_ = number;
    }
    if (doorbell_ == 0)
        return fail(Code::target_map_failed,
                    fmt::format("process {} handles both SIGURG and SIGWINCH, of which one is needed", memory_.pid()));
    SUTURE_TRY(maps_, read_maps(memory_.pid()));
    const auto stubs = find_stubs(memory_, maps_);
    stub_ = stubs.empty() ? Va{} : stubs.front().at;
    if (!gadgets_.complete() && (stubs.empty() || !stubs.front().complete))
        SUTURE_CHECK(find_gadgets());
    return {};
}

StoppedThread* RemoteCalls::suitable(StoppedThreads& stopped) const {
    for (const bool any : {false, true}) {
        for (StoppedThread& thread : stopped.threads()) {
            const auto stack = free_stack(thread);
            if (thread.how.event == Event::stopped && stack && stack->size >= kStackNeed &&
                (any || !arch::has_restart_block(thread.registers)))
                return &thread;
        }
    }
    return nullptr;
}

Result<RemoteCalls::Results> RemoteCalls::make(std::span<const SystemCall> calls, StoppedThreads* stopped) {
    // While all threads wait for this, what was found out before they were stopped has to do.
    if (stopped && stub_.value != 0 && holds_stub(memory_, stub_))
        if (StoppedThread* thread = suitable(*stopped))
            return make_with(*thread, calls);
    SUTURE_CHECK(prepare());
    if (stopped) {
        if (StoppedThread* thread = suitable(*stopped))
            return make_with(*thread, calls);
        return fail(Code::target_map_failed, "no thread is in a state in which it could be borrowed");
    }
    // A wait whose rest the kernel keeps would begin anew after the very first call: such a thread comes last. Threads
    // that somebody else traces are often free again a moment later.
    std::optional<Error> refused;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    do {
        for (const bool any : {false, true}) {
            for (const pid_t tid : list_threads(memory_.pid())) {
                auto one = StoppedThreads::one(memory_.pid(), tid);
                if (!one)
                    refused = std::move(one).error();
                if (!one || one->threads().empty())
                    continue;
                StoppedThread& thread = one->threads().front();
                const auto stack = free_stack(thread);
                if (!stack || stack->size < kStackNeed ||
                    (!any && stub_.value == 0 && arch::has_restart_block(thread.registers)))
                    continue;
                return make_with(thread, calls);
            }
        }
        SUTURE_CHECK(memory_.check_alive());
    } while (refused && std::chrono::steady_clock::now() < deadline);
    if (refused)
        return std::unexpected(std::move(*refused));
    return fail(Code::target_map_failed,
                fmt::format("no thread of process {} can be borrowed: all are held by SIGSTOP, or in signal handlers",
                            memory_.pid()));
}

Result<RemoteCalls::Results> RemoteCalls::make_with(StoppedThread& thread, std::span<const SystemCall> calls) {
    SUTURE_CHECK(ensure_stub(thread));
    Results results;
    while (!calls.empty()) {
        const std::size_t count = std::min(calls.size(), kMaxCalls);
        SUTURE_TRY(const Results some, make_batch(thread, calls.first(count)));
        results.insert(results.end(), some.begin(), some.end());
        calls = calls.subspan(count);
    }
    return results;
}

Result<void> RemoteCalls::ensure_stub(StoppedThread& thread) {
    /// Places that may be taken between the look and the call.
    constexpr int kAttempts = 4;

    // Looked at only now: who takes a stub away has stopped all threads for it.
    if (stub_.value != 0 && holds_stub(memory_, stub_))
        return {};
    if (!gadgets_.complete())
        SUTURE_CHECK(find_gadgets());
    const auto write = [&](Va at) -> Result<void> {
        if (!memory_.write_forced(at, arch::stub_code()))
            return fail(Code::target_map_failed, fmt::format("the page at 0x{:x} cannot be filled", at.value));
        stub_ = at;
        return {};
    };
    SUTURE_TRY(maps_, read_maps(memory_.pid()));
    const auto stubs = find_stubs(memory_, maps_);
    if (!stubs.empty())
        return write(stubs.front().at);
    std::int64_t result = 0;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const auto at = choose_stub_page(maps_);
        if (!at)
            break;
        const SystemCall map{SYS_mmap,
                             {at->value, kStubSize, PROT_READ | PROT_EXEC,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~std::uint64_t{0}, 0}};
        SUTURE_TRY(result, make_framed(thread, map));
        if (result == static_cast<std::int64_t>(at->value))
            return write(*at);
        if (result != -EEXIST)
            break;
    }
    return fail(Code::target_map_failed,
                fmt::format("one page of code: {}", failed(result) ? describe(result) : "no place is free"));
}

Result<RemoteCalls::Results> RemoteCalls::make_batch(StoppedThread& thread, std::span<const SystemCall> calls) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const auto stack = free_stack(thread);
    std::uint64_t mask = 0;
    if (!tracing::get_mask(thread.tid, mask))
        return gone(memory_);
    const arch::Borrowing batch = arch::make_batch(thread.registers, mask, stub_, calls, memory_.pid(),
                                                   static_cast<std::uint64_t>(thread.tid), doorbell_);
    if (!stack || batch.at < stack->begin || !memory_.write(batch.at, batch.image))
        return unsuitable(thread, "its stack has no room for the calls");

    // From here on the thread comes back by itself, whatever happens to this process.
    if (!tracing::set_registers(thread.tid, batch.start) ||
        !tracing::set_mask(thread.tid, ~(kOwnFaults | bit(doorbell_))) || !tracing::resume(thread.tid, 0))
        return gone(memory_);
    arch::Registers now;
    for (;;) {
        thread.how = tracing::report(thread.tid, deadline);
        if (thread.how.event == Event::ended)
            return gone(memory_);
        if (thread.how.event == Event::timeout)
            return unsuitable(thread, fmt::format("the calls did not end within {} s", kPatience.count()));
        const bool signal = thread.how.event == Event::signal;
        if (signal && !tracing::get_registers(thread.tid, now))
            return gone(memory_);
        if ((signal && thread.how.number == doorbell_ && arch::rang(now, stub_)) ||
            (signal && is_own_fault(thread.how.number)))
            break;
        // A stop of the whole process counts again once this thread is let go.
        if (!tracing::resume(thread.tid, signal ? thread.how.number : 0))
            return gone(memory_);
    }
    const int number = thread.how.number;
    thread.how = {Event::stopped, 0};
    Bytes image(batch.image.size());
    const bool read = memory_.read(batch.at, image);
    if (!tracing::set_mask(thread.tid, mask) || !tracing::set_registers(thread.tid, thread.registers))
        return gone(memory_);
    if (number != doorbell_ || !read)
        return unsuitable(thread, fmt::format("signal {} came in the calls", number));
    Results results(calls.size());
    for (std::size_t i = 0; i < calls.size(); ++i)
        results[i] = arch::result_of(image, i);
    return results;
}

Result<std::int64_t> RemoteCalls::make_framed(StoppedThread& thread, const SystemCall& call) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const auto stack = free_stack(thread);
    const Bytes vector_registers = tracing::get_vector_registers(thread.tid);
    std::uint64_t mask = 0;
    if (vector_registers.empty() || !tracing::get_mask(thread.tid, mask))
        return gone(memory_);
    const auto frame = arch::make_frame(thread.registers, vector_registers, mask, gadgets_, call);
    if (!frame)
        return unsuitable(thread, "its vector registers have a form that is not known");
    if (!stack || frame->at < stack->begin || !memory_.write(frame->at, frame->image))
        return unsuitable(thread, "its stack has no room for a signal frame");

    // From here on the thread comes back by itself. The mask comes second: the frame, which has it, is in force first.
    if (!tracing::set_registers(thread.tid, frame->start) || !tracing::set_mask(thread.tid, ~kOwnFaults))
        return gone(memory_);
    int fault = 0;
    for (int stops = 0, number = 0; stops < 2 && fault == 0;) { // the entry of the call, and its exit
        if (!tracing::resume_to_call(thread.tid, number))
            return gone(memory_);
        thread.how = tracing::report(thread.tid, deadline);
        if (thread.how.event == Event::ended)
            return gone(memory_);
        if (thread.how.event == Event::timeout)
            return unsuitable(thread, fmt::format("the call did not end within {} s", kPatience.count()));
        const bool signal = thread.how.event == Event::signal;
        number = signal ? thread.how.number : 0;
        if (signal && is_own_fault(number))
            fault = number;
        stops += thread.how.event == Event::call;
    }
    arch::Registers now;
    const bool read = tracing::get_registers(thread.tid, now);
    thread.how = {Event::stopped, 0};
    // The kernel does not restart a call that was interrupted before: the registers themselves have to.
    thread.registers = arch::with_restart(thread.registers);
    if (!read || !tracing::set_mask(thread.tid, mask) || !tracing::set_registers(thread.tid, thread.registers))
        return gone(memory_);
    if (fault != 0)
        return unsuitable(thread, fmt::format("signal {} came in the call", fault));
    return arch::returned(now);
}

Result<RemoteCalls::Ready> RemoteCalls::ready() {
    SUTURE_CHECK(make({}, nullptr)); // looks at the process anew, and makes the stub
    return Ready{stub_, doorbell_};
}

const StoppedThread* RemoteCalls::still_borrowed(const StoppedThreads& stopped) const {
    const auto found = std::ranges::find_if(stopped.threads(), [this](const StoppedThread& thread) {
        return may_be_in_stub(arch::ip_of(thread.registers)) || (expects_pe_calls_ && will_return_to_stub(thread));
    });
    return found == stopped.threads().end() ? nullptr : &*found;
}

bool RemoteCalls::will_return_to_stub(const StoppedThread& thread) const {
    const auto state = thread_state(memory_, layout_, static_cast<std::uint64_t>(thread.tid), thread.registers, true);
    if (!state || !state->stack.contains(state->sp))
        return false;
    std::array<std::uint64_t, kPeCallDepth / 8> words;
    const std::size_t count = std::min<std::uint64_t>(kPeCallDepth, state->stack.end() - state->sp) / 8;
    // What cannot be read holds no frame.
    return memory_.read(state->sp, {reinterpret_cast<std::uint8_t*>(words.data()), count * 8}) &&
           std::ranges::any_of(std::span(words).first(count), [](std::uint64_t word) {
               return word % kStubSize == arch::kPeCallReturn && may_be_in_stub(Va{word});
           });
}

Result<VaRange> RemoteCalls::staging(bool clean, StoppedThreads* stopped) {
    SUTURE_CHECK(prepare());
    if (stub_.value == 0) {
        SUTURE_CHECK(make({}, stopped));
        SUTURE_CHECK(prepare());
    }
    if (clean) {
        std::vector<SystemCall> calls;
        for (const VaRange& old : find_staged(maps_, stub_))
            calls.push_back({SYS_munmap, {old.begin.value, old.size}});
        if (!calls.empty()) {
            SUTURE_TRY(const Results results, make(calls, stopped));
            if (std::ranges::any_of(results, failed))
                return fail(Code::target_map_failed, "munmap of old pages failed");
            SUTURE_CHECK(prepare());
        }
        if (!is_free(maps_, staging_area(stub_)))
            return fail(Code::target_map_failed, "the place to prepare pages in is taken");
    }
    return staging_area(stub_);
}

Result<RemoteCalls::Remains> RemoteCalls::remains() const {
    SUTURE_TRY(const auto maps, read_maps(memory_.pid()));
    Remains remains;
    for (const StubPage& page : find_stubs(memory_, maps)) {
        if (remains.stub)
            remains.aside.push_back({page.at, kStubSize});
        else
            remains.stub = {page.at, kStubSize};
        std::ranges::move(find_staged(maps, page.at), std::back_inserter(remains.aside));
    }
    return remains;
}

Result<void> RemoteCalls::leave(bool keep_stub, StoppedThreads* stopped) {
    constexpr std::chrono::microseconds kBetween{200};

    SUTURE_CHECK(prepare());
    if (find_stubs(memory_, maps_).empty())
        return {};
    if (!gadgets_.complete())
        SUTURE_CHECK(find_gadgets());
    if (stopped)
        return unmap_all(keep_stub, *stopped);
    // A thread that was borrowed may be on its last steps in the stub, and on a busy machine gets no turn for a while.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        SUTURE_TRY(StoppedThreads all, StoppedThreads::all(memory_.pid()));
        auto done = unmap_all(keep_stub, all);
        if (done || done.error().code() == Code::target_gone || std::chrono::steady_clock::now() >= deadline)
            return done;
        all.release();
        std::this_thread::sleep_for(kBetween);
    }
}

Result<void> RemoteCalls::unmap_all(bool keep_stub, StoppedThreads& stopped) {
    if (const StoppedThread* const borrowed = still_borrowed(stopped))
        return unsuitable(*borrowed, "it is still in the code that an injector left");
    SUTURE_TRY(maps_, read_maps(memory_.pid()));
    SUTURE_TRY(const Remains remains, this->remains());
    std::vector<VaRange> ranges = remains.aside;
    if (remains.stub && !keep_stub)
        ranges.push_back(*remains.stub);
    stub_ = Va{};
    for (const VaRange& range : ranges) {
        Result<std::int64_t> result = fail(Code::target_map_failed, "no thread can be borrowed");
        for (const bool any : {false, true}) {
            for (StoppedThread& thread : stopped.threads()) {
                const auto stack = free_stack(thread);
                if (!result && thread.how.event == Event::stopped && stack && stack->size >= kStackNeed &&
                    (any || !arch::has_restart_block(thread.registers)))
                    result = make_framed(thread, {SYS_munmap, {range.begin.value, range.size}});
            }
        }
        SUTURE_CHECK(result);
        if (failed(*result))
            return fail(Code::target_map_failed, fmt::format("munmap: {}", describe(*result)));
    }
    return {};
}

} // namespace suture::loader
