#include "loader/host/process_lock.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace suture::loader {
namespace {

TEST(ProcessLock, IsHeldByOneAtATimeAndEndsWithItsHolder) {
    const auto pid = static_cast<std::uint64_t>(::getpid());
    {
        const auto first = ProcessLock::take(pid);
        ASSERT_TRUE(first) << first.error().message();
        const auto second = ProcessLock::take(pid);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code(), Code::operation_in_progress);
        EXPECT_TRUE(ProcessLock::take(1)) << "another process has a lock of its own";
    }
    EXPECT_TRUE(ProcessLock::take(pid));
}

TEST(ProcessLock, IsRefusedForAProcessThatIsNotThere) {
    const auto lock = ProcessLock::take(0x7fff'fff0);
    ASSERT_FALSE(lock);
    EXPECT_EQ(lock.error().code(), Code::target_gone);
}

} // namespace
} // namespace suture::loader
