#include "loader/linux/procfs.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace suture::loader {
namespace {

TEST(Procfs, ReadsTheStatusThatCounts) {
    const Status status =
        parse_status("Name:\tC:\\a b.exe\nState:\tt (tracing stop)\nTgid:\t12\nPPid:\t3\nTracerPid:\t7\n"
                     "Uid:\t1\t1000\t3\t4\nKthread:\t1\nSigCgt:\t0000000000400002\n"
                     "x86_Thread_features:\tshstk wrss\n");
    EXPECT_EQ(status.name, "C:\\a b.exe");
    EXPECT_EQ(status.state, 't');
    EXPECT_EQ(status.process, 12u);
    EXPECT_EQ(status.parent, 3u);
    EXPECT_EQ(status.tracer, 7u);
    EXPECT_EQ(status.user, 1000u);
    EXPECT_EQ(status.caught, 0x400002u);
    EXPECT_TRUE(status.kernel_thread);
    EXPECT_TRUE(status.shadow_stack);
}

TEST(Procfs, ListsTheThreadsOfThisProcess) {
    const auto threads = list_threads(static_cast<std::uint64_t>(::getpid()));
    EXPECT_NE(std::ranges::find(threads, ::getpid()), threads.end());
}

TEST(Procfs, SaysThatAProcessIsGone) {
    const auto status = read_status(0x7fffffff);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), Code::target_gone);
}

} // namespace
} // namespace suture::loader
