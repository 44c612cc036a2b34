#include "loader/windows/launch.hpp"

#include "loader/windows/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace suture::loader {

namespace {

constexpr std::uint8_t kBreakpoint = 0xcc;

// Of a PE image with 64 bits: offsets from its signature, and in its TLS directory.
constexpr std::uint32_t kEntryPoint = 0x28;
constexpr std::uint32_t kTlsDirectory = 0x18 + 112 + 9 * 8;
constexpr std::uint32_t kExportDirectory = 0x18 + 112;
constexpr std::uint32_t kExportName = 12;
constexpr std::uint32_t kTlsCallbacks = 24;
constexpr std::size_t kMaxCallbacks = 64;

/// These run before the program is looked at at all.
constexpr std::array<std::string_view, 3> kFirst = {"ntdll.dll", "kernel32.dll", "kernelbase.dll"};

/// By its exports, since the system tells the names of files late, if at all.
bool is_first(const Memory& memory, Va base, std::uint32_t header) {
    const auto exports = memory.value<std::uint32_t>(base + header + kExportDirectory);
    const auto name = exports && *exports != 0 ? memory.value<std::uint32_t>(base + *exports + kExportName)
                                               : std::optional<std::uint32_t>();
    std::array<char, 16> text{};
    if (!name || !memory.read(base + *name, {reinterpret_cast<std::uint8_t*>(text.data()), text.size() - 1}))
        return false;
    return std::ranges::any_of(
        kFirst, [&](std::string_view one) { return target::same_file_name(one, std::string_view(text.data())); });
}

} // namespace

Result<Launch> Launch::start(std::wstring words) {
    STARTUPINFOW startup{};
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = ::GetStdHandle(STD_INPUT_HANDLE);
    startup.hStdOutput = ::GetStdHandle(STD_OUTPUT_HANDLE);
    startup.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
    for (const HANDLE stream : {startup.hStdInput, startup.hStdOutput, startup.hStdError})
        ::SetHandleInformation(stream, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    PROCESS_INFORMATION started{};
    if (!::CreateProcessW(nullptr, words.data(), nullptr, nullptr, TRUE, DEBUG_ONLY_THIS_PROCESS, nullptr, nullptr,
                          &startup, &started))
        return fail(Code::file_unreadable, last_error());
    const Handle thread(started.hThread);
    Launch launch{Handle(started.hProcess)};
    ::DebugSetProcessKillOnExit(TRUE);
    return launch;
}

bool Launch::mark_at(Va at) {
    const Memory memory(process_.get());
    const auto byte = memory.value<std::uint8_t>(at);
    if (!byte || marks_.contains(at))
        return false;
    const auto pages = memory.query(at);
    if (!pages || !pages->executable() || !memory.write(at, Bytes{kBreakpoint}))
        return false;
    ::FlushInstructionCache(process_.get(), reinterpret_cast<void*>(at.value), 1);
    return marks_.emplace(at, *byte).second;
}

/// The places where a module's code is entered first.
void Launch::mark(Va base) {
    const Memory memory(process_.get());
    const auto header = memory.value<std::uint32_t>(base + 0x3c);
    if (!header || is_first(memory, base, *header))
        return;
    if (const auto entry = memory.value<std::uint32_t>(base + *header + kEntryPoint); entry && *entry != 0)
        mark_at(base + *entry);
    const auto tls = memory.value<std::uint32_t>(base + *header + kTlsDirectory);
    if (!tls || *tls == 0)
        return;
    const auto list = memory.value<std::uint64_t>(base + *tls + kTlsCallbacks);
    for (std::size_t i = 0; list && *list != 0 && i < kMaxCallbacks; ++i) {
        const auto callback = memory.value<std::uint64_t>(Va{*list} + 8 * i);
        if (!callback || *callback == 0)
            break;
        mark_at(Va{*callback});
    }
}

bool Launch::unmark_all() {
    const Memory memory(process_.get());
    bool done = true;
    for (const auto& [at, byte] : marks_) {
        done = memory.write(at, Bytes{byte}) && done;
        ::FlushInstructionCache(process_.get(), reinterpret_cast<void*>(at.value), 1);
    }
    marks_.clear();
    return done;
}

/// True where a thread has come to a mark; it is put back to where it would have gone on.
bool Launch::stands_at_mark(const DEBUG_EVENT& event) {
    const auto& exception = event.u.Exception.ExceptionRecord;
    const Va at{reinterpret_cast<std::uint64_t>(exception.ExceptionAddress)};
    if (exception.ExceptionCode != EXCEPTION_BREAKPOINT || !marks_.contains(at))
        return false;
    const Handle thread(::OpenThread(THREAD_GET_CONTEXT | THREAD_SET_CONTEXT, FALSE, event.dwThreadId));
    alignas(16) CONTEXT context{};
    context.ContextFlags = CONTEXT_CONTROL;
    if (!thread || !::GetThreadContext(thread.get(), &context))
        return false;
    context.Rip = at.value;
    return ::SetThreadContext(thread.get(), &context) != 0;
}

Result<void> Launch::until_loaded() {
    const auto stop_failed = [](std::string_view what) {
        return fail(Code::target_stop_failed, fmt::format("{} ({})", what, last_error()));
    };
    for (;;) {
        DEBUG_EVENT event{};
        if (!::WaitForDebugEvent(&event, INFINITE))
            return stop_failed("WaitForDebugEvent");
        DWORD answer = DBG_CONTINUE;
        switch (event.dwDebugEventCode) {
        case CREATE_PROCESS_DEBUG_EVENT:
            ::CloseHandle(event.u.CreateProcessInfo.hFile);
            program_ = Va{reinterpret_cast<std::uint64_t>(event.u.CreateProcessInfo.lpBaseOfImage)};
            mark(program_);
            break;
        case LOAD_DLL_DEBUG_EVENT:
            ::CloseHandle(event.u.LoadDll.hFile);
            mark(Va{reinterpret_cast<std::uint64_t>(event.u.LoadDll.lpBaseOfDll)});
            mark(program_); // whose addresses may have been relocated only now
            break;
        case EXIT_PROCESS_DEBUG_EVENT:
            ::ContinueDebugEvent(event.dwProcessId, event.dwThreadId, DBG_CONTINUE);
            return fail(Code::target_gone, "it ended before its modules were loaded");
        case EXCEPTION_DEBUG_EVENT:
            if (stands_at_mark(event)) {
                pending_ = event;
                return unmark_all() ? Result<void>() : stop_failed("its code cannot be restored");
            }
            if (event.u.Exception.ExceptionRecord.ExceptionCode != EXCEPTION_BREAKPOINT)
                answer = DBG_EXCEPTION_NOT_HANDLED;
            break;
        default:
            break;
        }
        ::ContinueDebugEvent(event.dwProcessId, event.dwThreadId, answer);
    }
}

/// Whatever else happens in the process meanwhile goes its way.
Result<void> Launch::until_returned(DWORD thread) {
    constexpr DWORD kPatience = 10'000; // milliseconds
    for (;;) {
        DEBUG_EVENT event{};
        if (!::WaitForDebugEvent(&event, kPatience))
            return fail(Code::target_map_failed, fmt::format("a call did not end ({})", last_error()));
        DWORD answer = DBG_CONTINUE;
        switch (event.dwDebugEventCode) {
        case LOAD_DLL_DEBUG_EVENT:
            ::CloseHandle(event.u.LoadDll.hFile);
            break;
        case EXIT_PROCESS_DEBUG_EVENT:
            ::ContinueDebugEvent(event.dwProcessId, event.dwThreadId, DBG_CONTINUE);
            return fail(Code::target_gone, "it ended during a call");
        case EXCEPTION_DEBUG_EVENT:
            if (event.dwThreadId == thread && stands_at_mark(event)) {
                pending_ = event;
                return {};
            }
            answer = DBG_EXCEPTION_NOT_HANDLED;
            break;
        default:
            break;
        }
        ::ContinueDebugEvent(event.dwProcessId, event.dwThreadId, answer);
    }
}

Result<bool> Launch::call(Va function, const std::array<std::uint64_t, 3>& arguments) {
    // What a function may use above its return address, and what leaf functions of the program may have below theirs.
    constexpr std::uint64_t kBelow = 0x200;
    const auto not_begun = [](std::string_view what) {
        return fail(Code::unwind_not_registered, fmt::format("{} ({})", what, last_error()));
    };
    const Memory memory(process_.get());
    const DWORD id = pending_->dwThreadId;
    const Handle thread(::OpenThread(THREAD_GET_CONTEXT | THREAD_SET_CONTEXT, FALSE, id));
    alignas(16) CONTEXT before{};
    before.ContextFlags = CONTEXT_FULL;
    if (!thread || !::GetThreadContext(thread.get(), &before))
        return not_begun("the registers of its first thread cannot be read");
    // It returns to where it stands, which is marked for as long.
    const Va at{before.Rip};
    const Va sp{((before.Rsp - kBelow) & ~std::uint64_t{15}) - 8};
    if (!memory.write(sp, {reinterpret_cast<const std::uint8_t*>(&at.value), sizeof at.value}) || !mark_at(at))
        return not_begun("nothing can be written to its first thread's stack and code");
    alignas(16) CONTEXT during = before;
    during.Rip = function.value;
    during.Rsp = sp.value;
    during.Rcx = arguments[0];
    during.Rdx = arguments[1];
    during.R8 = arguments[2];
    if (!::SetThreadContext(thread.get(), &during)) {
        unmark_all();
        return not_begun("the registers of its first thread cannot be set");
    }
    if (!::ContinueDebugEvent(pending_->dwProcessId, id, DBG_CONTINUE))
        return fail(Code::target_map_failed, fmt::format("a call cannot be made ({})", last_error()));
    pending_.reset();
    SUTURE_CHECK(until_returned(id));
    during.ContextFlags = CONTEXT_FULL;
    const bool known = ::GetThreadContext(thread.get(), &during) != 0;
    const bool restored = unmark_all() && ::SetThreadContext(thread.get(), &before) != 0;
    if (!known || !restored)
        return fail(Code::target_map_failed, fmt::format("a call left its thread elsewhere ({})", last_error()));
    return (during.Rax & 0xff) != 0;
}

Result<void> Launch::let_go() {
    if (!::ContinueDebugEvent(pending_->dwProcessId, pending_->dwThreadId, DBG_CONTINUE) ||
        !::DebugActiveProcessStop(pending_->dwProcessId))
        return fail(Code::target_stop_failed, fmt::format("it cannot be let go ({})", last_error()));
    pending_.reset();
    return {};
}

void Launch::end(int exit_code) {
    ::TerminateProcess(process_.get(), static_cast<UINT>(exit_code));
}

int Launch::wait() {
    DWORD code = 0;
    ::WaitForSingleObject(process_.get(), INFINITE);
    ::GetExitCodeProcess(process_.get(), &code);
    return static_cast<int>(code);
}

} // namespace suture::loader
