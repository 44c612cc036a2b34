// Threads that are borrowed in the middle of what they do.
#include "loader/linux/calls.hpp"
#include "loader/linux/procfs.hpp"
#include "tests/loader/linux/threads_program.hpp"

#include <sys/syscall.h>

#include <chrono>

namespace suture::loader {
namespace {

using test::kFree;
using test::succeeded;
using test::ThreadsProgram;

TEST(RemoteCalls, AreNotMadeByAThreadThatIsAboutToGetAFaultOfItsOwn) {
    constexpr int kThreads = 2;
    constexpr int kRefused = 20;
    ThreadsProgram program(kThreads, "fault");
    const std::uint64_t pid = program.target->pid();
    const auto memory = Memory::open(pid);
    const auto maps = read_maps(pid);
    ASSERT_TRUE(succeeded(memory) && succeeded(maps));
    const auto wine = find_wine_process(*memory, *maps);
    ASSERT_TRUE(succeeded(wine));
    RemoteCalls calls(*memory, wine->layout);
    const arch::SystemCall call{SYS_getppid, {}};
    ASSERT_TRUE(succeeded(calls.make({&call, 1}, nullptr)));
    // Only the last ones: before them are the program's first thread and the one that sleeps.
    std::vector<pid_t> tids = list_threads(pid);
    ASSERT_GE(tids.size(), std::size_t{kThreads});
    tids.erase(tids.begin(), tids.end() - kThreads);
    int made = 0, refused = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while ((refused < kRefused || made < kRefused) && std::chrono::steady_clock::now() < deadline)
        for (const pid_t tid : tids) {
            auto one = StoppedThreads::one(pid, tid);
            ASSERT_TRUE(succeeded(one));
            if (one->threads().empty())
                continue;
            const auto result = calls.make({&call, 1}, &*one);
            if (result)
                ++made;
            else
                ASSERT_NE(result.error().message().find("no thread is in a state"), std::string::npos)
                    << result.error().message();
            const auto pending = tracing::own_pending(tid);
            ASSERT_TRUE(pending);
            refused += !result && *pending != 0;
        }
    EXPECT_GE(made, kRefused);
    EXPECT_GE(refused, kRefused);
    program.expect_healthy();
    EXPECT_TRUE(succeeded(program.target->leave()));
}

TEST(PeCalls, AreMadeByThreadsInAnyState) {
    ThreadsProgram program(12);
    if (!program.target->registers_unwind())
        GTEST_SKIP() << "not on this machine";
    // begin, end, unwind data
    const target::Mapping table{{kFree, 0x1000}, {0, 1, 0, 0, 0x10, 1, 0, 0, 0, 2, 0, 0}, target::Protection::read};
    ASSERT_TRUE(succeeded(program.target->map({&table, 1})));
    for (int i = 0; i < 45; ++i) {
        ASSERT_TRUE(succeeded(program.target->register_unwind({kFree, kFree, 1}))) << i;
        ASSERT_TRUE(succeeded(program.target->unregister_unwind(kFree))) << i;
        if (i % 15 == 0) {
            const auto stop = program.target->stop();
            ASSERT_TRUE(succeeded(stop));
            EXPECT_FALSE(succeeded(program.target->register_unwind({kFree, kFree, 1})));
        }
    }
    ASSERT_TRUE(succeeded(program.target->unmap({&table.range, 1})));
    program.expect_healthy();
    EXPECT_TRUE(succeeded(program.target->leave()));
}

} // namespace
} // namespace suture::loader
