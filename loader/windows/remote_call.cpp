#include "loader/windows/remote_call.hpp"

#include "loader/windows/nt.hpp"
#include "loader/windows/views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <thread>

namespace suture::loader {

namespace {

/// Takes a pointer to the function and its three arguments.
constexpr std::array<std::uint8_t, 30> kCode = {
    0x48, 0x83, 0xec, 0x28, // sub rsp, 40
    0x48, 0x8b, 0x01,       // mov rax, [rcx]
    0x4c, 0x8b, 0x41, 0x18, // mov r8, [rcx + 24]
    0x48, 0x8b, 0x51, 0x10, // mov rdx, [rcx + 16]
    0x48, 0x8b, 0x49, 0x08, // mov rcx, [rcx + 8]
    0xff, 0xd0,             // call rax
    0x0f, 0xb6, 0xc0,       // movzx eax, al
    0x48, 0x83, 0xc4, 0x28, // add rsp, 40
    0xc3, 0xcc,             // ret
};
constexpr std::uint64_t kArguments = 0x40;
constexpr std::uint64_t kViewSize = 0x1000;
constexpr DWORD kPatience = 10'000; // milliseconds
constexpr std::chrono::milliseconds kBetween{100};

std::optional<Va> free_granule(const Memory& memory, Va from) {
    Va at{from.value & ~(kGranularity - 1)};
    while (const auto pages = memory.query(at)) {
        const Va first{(std::max(at, pages->range.begin).value + kGranularity - 1) & ~(kGranularity - 1)};
        if (pages->state == MEM_FREE && first + kGranularity <= pages->range.end())
            return first;
        at = pages->range.end();
    }
    return std::nullopt;
}

Bytes content_of(Va function, const std::array<std::uint64_t, 3>& arguments) {
    Bytes content(kArguments + 4 * sizeof(std::uint64_t), 0xcc);
    std::ranges::copy(kCode, content.begin());
    std::memcpy(content.data() + kArguments, &function.value, sizeof function.value);
    std::memcpy(content.data() + kArguments + sizeof function.value, arguments.data(), sizeof arguments);
    return content;
}

/// Whether a thread that runs began in the view, as NtQueryInformationThread tells it; true where that is not known.
bool may_have_begun_in(HANDLE thread, VaRange view) {
    constexpr auto kStartAddress = static_cast<THREADINFOCLASS>(9); // ThreadQuerySetWin32StartAddress
    if (::WaitForSingleObject(thread, 0) == WAIT_OBJECT_0)
        return false;
    std::uint64_t start = 0;
    return !succeeded(NtQueryInformationThread(thread, kStartAddress, &start, sizeof start, nullptr)) ||
           view.contains(Va{start});
}

/// True where not all threads can be looked at, too: the view must not be taken from one.
bool may_have_thread_in(HANDLE process, VaRange view) {
    Handle thread;
    for (;;) {
        HANDLE next = nullptr;
        const NTSTATUS status =
            NtGetNextThread(process, thread.get(), THREAD_QUERY_INFORMATION | SYNCHRONIZE, 0, 0, &next);
        if (!succeeded(status))
            return status != kNoMoreEntries;
        thread = Handle(next);
        if (may_have_begun_in(thread.get(), view))
            return true;
    }
}

std::unexpected<Error> not_begun(std::string why) {
    return fail(Code::unwind_not_registered, std::move(why));
}

} // namespace

Result<bool> call_remotely(const Memory& memory, Unfinished& unfinished, Va beside, Va function,
                           const std::array<std::uint64_t, 3>& arguments) {
    if (unfinished.call != 0)
        return not_begun("an earlier call has not come to its end");
    const auto view = free_granule(memory, beside);
    if (!view)
        return not_begun("there is no room for the code of the call");
    const target::Mapping mapping{
        {*view, kViewSize}, content_of(function, arguments), target::Protection::read_execute};
    unfinished.call = view->value;
    if (auto mapped = map_views(memory, unfinished, {&mapping, 1}); !mapped) {
        unfinished.call = 0;
        return fail(Error(Code::unwind_not_registered, "no page can be mapped for the call")
                        .caused_by(std::move(mapped).error()));
    }
    HANDLE made = nullptr;
    // The program's DLLs are not told of it, so it needs none of their locks, and none of their code runs.
    const NTSTATUS status = NtCreateThreadEx(
        &made, SYNCHRONIZE | THREAD_QUERY_INFORMATION, nullptr, memory.process(), reinterpret_cast<void*>(view->value),
        reinterpret_cast<void*>(view->value + kArguments), kSkipThreadAttach, 0, 0, 0, nullptr);
    const auto free = [&] {
        NtUnmapViewOfSection(memory.process(), reinterpret_cast<void*>(view->value));
        unfinished.call = 0;
    };
    if (!succeeded(status)) {
        free();
        return not_begun(fmt::format("NtCreateThreadEx: status 0x{:08x}", static_cast<std::uint32_t>(status)));
    }
    const Handle thread(made);
    // What does not end in time is left to the watchdog, with the view that it is in.
    if (::WaitForSingleObject(thread.get(), kPatience) != WAIT_OBJECT_0)
        return fail(Error(Code::target_map_failed, fmt::format("a call did not end within {} s", kPatience / 1000))
                        .in_thread(::GetThreadId(thread.get())));
    DWORD result = 0;
    const bool known = ::GetExitCodeThread(thread.get(), &result) != 0;
    free();
    if (!known || result > 1) // it was ended by somebody else
        return fail(Code::target_map_failed, fmt::format("a call ended with 0x{:x}", result));
    return result == 1;
}

bool end_remote_call(const Memory& memory, Va view, std::chrono::milliseconds patience) {
    std::array<std::uint8_t, kCode.size()> found{};
    // It may not have been mapped yet, or what is there may be somebody else's.
    if (!memory.read(view, found) || found != kCode)
        return true;
    // A thread that was asked for comes a little later where the system has the process make it, as Wine does.
    for (std::chrono::milliseconds waited{}; waited < patience; waited += kBetween) {
        std::this_thread::sleep_for(kBetween);
        if (!may_have_thread_in(memory.process(), {view, kViewSize}))
            return succeeded(NtUnmapViewOfSection(memory.process(), reinterpret_cast<void*>(view.value)));
    }
    return false;
}

} // namespace suture::loader
