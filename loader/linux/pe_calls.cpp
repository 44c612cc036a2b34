#include "loader/linux/pe_calls.hpp"

#include "engine/pe/exports.hpp"
#include "loader/linux/procfs.hpp"
#include "loader/linux/stub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>

namespace suture::loader {

using tracing::Event;

namespace {

constexpr std::string_view kNtdll = "ntdll.dll";
/// In which a thread waits for something of the program's, having left ntdll's locks alone.
constexpr std::array<std::string_view, 3> kWaits = {"NtDelayExecution", "NtWaitForSingleObject",
                                                    "NtWaitForMultipleObjects"};
/// From the beginning of such a function to behind its system call.
constexpr std::uint64_t kWaitSize = 0x20;
/// Of its stack, for the registers of a thread.
constexpr std::uint64_t kHomeNeed = 0x2000;
/// Of its stack, for the function.
constexpr std::uint64_t kFunctionNeed = 0x2000;
/// The interrupted function's own, below its stack pointer.
constexpr std::uint64_t kBelow = 0x800;
constexpr std::chrono::microseconds kBetween{500};

constexpr std::uint64_t bit(int number) {
    return std::uint64_t{1} << (number - 1);
}
constexpr std::uint64_t kOwnFaults =
    bit(SIGTRAP) | bit(SIGSEGV) | bit(SIGILL) | bit(SIGBUS) | bit(SIGFPE) | bit(SIGSYS);

std::unexpected<Error> not_begun(std::string why) {
    return fail(Code::unwind_not_registered, std::move(why));
}

std::unexpected<Error> gone(const Memory& memory) {
    return fail(Code::target_gone, fmt::format("process {} has ended", memory.pid()));
}

} // namespace

Result<void> PeCalls::find_functions(target::Target& target, const target::Module& ntdll) {
    if (!functions_.empty())
        return {};
    SUTURE_TRY(const Bytes bytes, target::read_bytes(target, ntdll.range.begin, ntdll.range.size));
    SUTURE_TRY(const pe::Image image, pe::Image::parse(bytes, pe::Layout::mapped));
    SUTURE_TRY(const auto exports, pe::exports_of(image));
    for (const pe::Export& one : exports)
        if (one.forwarder.empty() && !one.name.empty())
            functions_.emplace(one.name, ntdll.range.begin + one.rva.value);
    return {};
}

Result<void> PeCalls::await_earlier() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (calls_.expects_pe_calls()) {
        SUTURE_TRY(StoppedThreads all, StoppedThreads::all(memory_.pid()));
        const StoppedThread* const borrowed = calls_.still_borrowed(all);
        if (!borrowed)
            calls_.expect_pe_calls(false);
        else if (std::chrono::steady_clock::now() >= deadline)
            return fail(Error(Code::unwind_not_registered, "it does not come back from the calls of an injector")
                            .in_thread(static_cast<std::uint64_t>(borrowed->tid)));
        all.release();
        std::this_thread::sleep_for(kBetween);
    }
    return {};
}

std::optional<PeCalls::Place> PeCalls::place_in(const StoppedThread& thread,
                                                std::span<const target::Module> modules) const {
    const Va at = arch::thread_block_of(thread.registers, memory_);
    const auto block = read_thread_block(memory_, layout_, at);
    const auto home = calls_.free_stack(thread);
    if (!block || !home || home->size < kHomeNeed + kFunctionNeed)
        return std::nullopt;
    const auto state = thread_state(memory_, layout_, static_cast<std::uint64_t>(thread.tid), thread.registers, false);
    if (!state || !block->stack.contains(state->sp))
        return std::nullopt;
    const Va sp = arch::sp_of(thread.registers);
    if (!block->in_unix_code(sp)) {
        const auto module =
            std::ranges::find_if(modules, [&](const target::Module& one) { return one.range.contains(state->ip); });
        if (module == modules.end() || target::same_file_name(module->name, kNtdll))
            return std::nullopt;
        const Va middle{home->end().value - kHomeNeed};
        return Place{{middle, kHomeNeed}, {home->begin, middle - home->begin}, {}, {}};
    }
    const bool waits = std::ranges::any_of(kWaits, [&](std::string_view name) {
        const auto function = functions_.find(name);
        return function != functions_.end() && VaRange{function->second, kWaitSize}.contains(state->ip);
    });
    const std::uint64_t room = state->sp - block->stack.begin;
    if (!waits || room < kFunctionNeed + kBelow || !arch::waits_for_the_program(thread.registers, at, memory_, layout_))
        return std::nullopt;
    return Place{*home, {block->stack.begin, room - kBelow}, at, block->syscall_frame};
}

Result<std::optional<std::uint64_t>> PeCalls::call_with(StoppedThread& thread, const Place& place,
                                                        const RemoteCalls::Ready& ready, arch::PeCall call) {
    using Nothing = std::optional<std::uint64_t>;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const Bytes vector_registers = tracing::get_vector_registers(thread.tid);
    std::uint64_t mask = 0;
    if (vector_registers.empty() || !tracing::get_mask(thread.tid, mask))
        return Nothing();
    call.stub = ready.stub;
    call.stack = place.stack.end();
    call.doorbell = ready.doorbell;
    call.process = memory_.pid();
    call.thread = static_cast<std::uint64_t>(thread.tid);
    if (place.thread_block.value != 0) {
        Bytes frame(arch::kWholeSyscallFrame);
        if (!memory_.read(place.syscall_frame, frame))
            return Nothing();
        call.syscall_frame = {layout_.syscall_frame, place.syscall_frame, std::move(frame)};
    }
    const auto made = arch::make_pe_call(thread.registers, vector_registers, mask, call);
    if (!made || made->at < place.home.begin || !memory_.write(made->at, made->image))
        return Nothing();

    // From here on the thread comes back by itself, and is let go to do so.
    calls_.expect_pe_calls(true);
    if (!tracing::set_registers(thread.tid, made->start) ||
        !tracing::set_mask(thread.tid, ~(kOwnFaults | bit(ready.doorbell))) || !tracing::resume(thread.tid, 0))
        return gone(memory_);
    for (;;) {
        thread.how = tracing::report(thread.tid, deadline);
        if (thread.how.event == Event::ended)
            return gone(memory_);
        if (thread.how.event == Event::timeout)
            return fail(
                Error(Code::target_map_failed, fmt::format("the call did not end within {} s", kPatience.count()))
                    .in_thread(static_cast<std::uint64_t>(thread.tid)));
        const bool signal = thread.how.event == Event::signal;
        if (signal && thread.how.number == ready.doorbell)
            break;
        // Wine handles a fault of PE code by itself, as always.
        if (!tracing::resume(thread.tid, signal ? thread.how.number : 0))
            return gone(memory_);
    }
    calls_.expect_pe_calls(false);
    thread.how = {Event::stopped, 0};
    const auto result = memory_.value<std::uint64_t>(made->result);
    if (!result)
        return gone(memory_);
    return Nothing(result);
}

Result<std::uint64_t> PeCalls::call(target::Target& target, std::span<const target::Module> modules,
                                    std::string_view function, const std::array<std::uint64_t, 3>& arguments) {
    const auto ntdll = std::ranges::find_if(
        modules, [](const target::Module& one) { return target::same_file_name(one.name, kNtdll); });
    if (ntdll == modules.end())
        return not_begun(fmt::format("process {} has not loaded ntdll.dll", memory_.pid()));
    if (auto found = find_functions(target, *ntdll); !found)
        return fail(Error(Code::unwind_not_registered, "the exports of ntdll.dll cannot be read")
                        .caused_by(std::move(found).error()));
    const auto entry = functions_.find(function);
    if (entry == functions_.end())
        return not_begun(fmt::format("ntdll.dll of process {} does not export {}", memory_.pid(), function));
    auto ready = calls_.ready();
    if (!ready)
        return fail(
            Error(Code::unwind_not_registered, "no thread can be borrowed").caused_by(std::move(ready).error()));
    SUTURE_CHECK(await_earlier());

    arch::PeCall call;
    call.function = entry->second;
    call.arguments = arguments;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::size_t looked_at = 0;
    do {
        looked_at = 0;
        for (const pid_t tid : list_threads(memory_.pid())) {
            ++looked_at;
            auto one = StoppedThreads::one(memory_.pid(), tid);
            if (!one || one->threads().empty())
                continue;
            StoppedThread& thread = one->threads().front();
            const auto place = place_in(thread, modules);
            if (!place)
                continue;
            SUTURE_TRY(const auto result, call_with(thread, *place, *ready, call));
            if (result)
                return *result;
        }
        SUTURE_CHECK(memory_.check_alive());
        std::this_thread::sleep_for(kBetween);
    } while (std::chrono::steady_clock::now() < deadline);
    return not_begun(fmt::format("within {} s none of the {} threads of process {} was waiting (Sleep, "
                                 "WaitForSingleObject, WaitForMultipleObjects) or running code of its own modules",
                                 kPatience.count(), looked_at, memory_.pid()));
}

} // namespace suture::loader
