#include "loader/windows/remote_call.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace suture::loader {
namespace {

constexpr Va kBeside{0x3'0000'0000};

struct Call {
    HANDLE begun = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    HANDLE end = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    std::uint64_t sum = 0;

    ~Call() {
        ::CloseHandle(begun);
        ::CloseHandle(end);
    }
};

/// What is called; gives whether the second is not less than the third.
BOOLEAN waits(Call* call, std::uint64_t second, std::uint64_t third) {
    call->sum = second + third;
    ::SetEvent(call->begun);
    ::WaitForSingleObject(call->end, INFINITE);
    return second >= third;
}

class RemoteCall : public testing::Test {
  protected:
    std::thread begin(std::uint64_t second, std::uint64_t third) {
        ::ResetEvent(call.begun);
        ::ResetEvent(call.end);
        std::thread caller([=, this] {
            result = call_remotely(memory, *unfinished, kBeside, Va{reinterpret_cast<std::uint64_t>(&waits)},
                                   {reinterpret_cast<std::uint64_t>(&call), second, third});
        });
        ::WaitForSingleObject(call.begun, 5000);
        return caller;
    }
    /// The view of a call whose injector died: its content, and no thread in it.
    Va left_view() {
        std::thread caller = begin(1, 2);
        Bytes content(0x100);
        EXPECT_TRUE(memory.read(Va{unfinished->call}, content));
        ::SetEvent(call.end);
        caller.join();
        const Handle section(
            ::CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_EXECUTE_READWRITE, 0, 0x1000, nullptr));
        void* const mapped = ::MapViewOfFile(section.get(), FILE_MAP_WRITE | FILE_MAP_EXECUTE, 0, 0, 0x1000);
        std::copy(content.begin(), content.end(), static_cast<std::uint8_t*>(mapped));
        return Va{reinterpret_cast<std::uint64_t>(mapped)};
    }
    bool is_free(Va at) { return memory.query(at)->state == MEM_FREE; }

    Memory memory{::GetCurrentProcess()};
    std::unique_ptr<Unfinished> unfinished = std::make_unique<Unfinished>();
    Call call;
    Result<bool> result = false;
};

TEST_F(RemoteCall, GivesArgumentsAndResultAndLeavesNothing) {
    for (const std::uint64_t second : {5u, 9u}) {
        std::thread caller = begin(second, 7);
        const Va view{unfinished->call};
        EXPECT_FALSE(is_free(view));
        EXPECT_FALSE(memory.query(view)->writable());
        ::SetEvent(call.end);
        caller.join();
        ASSERT_TRUE(result) << result.error().message();
        EXPECT_EQ(*result, second >= 7);
        EXPECT_EQ(call.sum, second + 7);
        EXPECT_TRUE(is_free(view));
        EXPECT_EQ(unfinished->call, 0u);
    }
}

TEST_F(RemoteCall, WhatAThreadIsInIsNotTakenFromIt) {
    std::thread caller = begin(1, 2);
    const Va view{unfinished->call};
    EXPECT_FALSE(end_remote_call(memory, view, std::chrono::milliseconds(300)));
    EXPECT_FALSE(is_free(view));
    const auto second = call_remotely(memory, *unfinished, kBeside, view, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), Code::unwind_not_registered) << "one at a time";
    ::SetEvent(call.end);
    caller.join();
    EXPECT_TRUE(is_free(view));
}

TEST_F(RemoteCall, WhatNobodyWaitsForAnyMoreIsFreedWhenItIsOver) {
    void* const again = ::VirtualAlloc(nullptr, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    EXPECT_TRUE(end_remote_call(memory, Va{reinterpret_cast<std::uint64_t>(again)}, std::chrono::milliseconds(200)))
        << "what holds something else is somebody else's";
    EXPECT_FALSE(is_free(Va{reinterpret_cast<std::uint64_t>(again)}));
    ::VirtualFree(again, 0, MEM_RELEASE);
    const Va left = left_view();
    EXPECT_TRUE(end_remote_call(memory, left, std::chrono::milliseconds(300)));
    EXPECT_TRUE(is_free(left));
}

TEST_F(RemoteCall, WhatIsLeftStaysWhereThreadsCannotBeListed) {
    const Va left = left_view();
    // Enough to free it, and not to be told of threads.
    const Handle blind(::OpenProcess(PROCESS_VM_READ | PROCESS_VM_OPERATION, FALSE, ::GetCurrentProcessId()));
    ASSERT_TRUE(blind);
    HANDLE none = nullptr;
    const NTSTATUS status = NtGetNextThread(blind.get(), nullptr, SYNCHRONIZE, 0, 0, &none);
    ASSERT_FALSE(succeeded(status));
    ASSERT_NE(status, kNoMoreEntries);
    EXPECT_FALSE(end_remote_call(Memory(blind.get()), left, std::chrono::milliseconds(300)));
    EXPECT_FALSE(is_free(left));
    EXPECT_TRUE(end_remote_call(memory, left, std::chrono::milliseconds(300)));
}

} // namespace
} // namespace suture::loader
