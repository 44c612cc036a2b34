#include "loader/windows/suspension.hpp"
#include "tests/loader/windows/other_process.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace suture::loader {
namespace {

using test::OtherProcess;

Handle with_access(const OtherProcess& other, DWORD access) {
    return Handle(::OpenProcess(access, FALSE, other.pid()));
}

TEST(Suspension, FailsWhereThreadsCannotBeListedAndLetsThemRun) {
    const OtherProcess other(2);
    const Handle process = with_access(other, PROCESS_SUSPEND_RESUME | PROCESS_VM_READ | SYNCHRONIZE);
    const Memory memory(process.get());
    const auto unfinished = std::make_unique<Unfinished>();
    const auto stopped = Suspension::of(memory, *unfinished);
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code(), Code::target_stop_failed);
    EXPECT_NE(stopped.error().detail().find("NtGetNextThread"), std::string::npos) << stopped.error().message();
    EXPECT_EQ(unfinished->stopped, 0u);
    EXPECT_TRUE(other.runs());
}

TEST(Suspension, FailsWhereNothingMayBeSuspended) {
    const OtherProcess other(1);
    const Handle process = with_access(other, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ | SYNCHRONIZE);
    const Memory memory(process.get());
    const auto unfinished = std::make_unique<Unfinished>();
    const auto stopped = Suspension::of(memory, *unfinished);
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code(), Code::target_stop_failed);
    EXPECT_EQ(unfinished->stopped, 0u);
    EXPECT_TRUE(other.runs());
}

TEST(Suspension, OfAProcessThatIsSuspendedAlready) {
    // A process that somebody else suspended too is stopped all the same, and stays as they left it.
    const OtherProcess other(1);
    ASSERT_TRUE(succeeded(NtSuspendProcess(other.handle())));
    const Memory memory(other.handle());
    const auto unfinished = std::make_unique<Unfinished>();
    {
        auto stopped = Suspension::of(memory, *unfinished);
        ASSERT_TRUE(stopped) << stopped.error().message();
        EXPECT_GE(stopped->threads().size(), 2u);
        for (const target::ThreadState& thread : stopped->threads())
            EXPECT_TRUE(thread.stack.contains(thread.sp)) << thread.id;
        EXPECT_TRUE(stopped->release());
    }
    ASSERT_TRUE(succeeded(NtResumeProcess(other.handle())));
    EXPECT_TRUE(other.runs());
}

} // namespace
} // namespace suture::loader
