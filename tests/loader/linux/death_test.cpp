// What becomes of the process when its injector dies.
#include "loader/linux/process.hpp"
#include "tests/loader/linux/threads_program.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <thread>

namespace suture::loader {
namespace {

using target::Mapping;
using target::Protection;
using test::kFree;
using test::succeeded;
using test::ThreadsProgram;

/// Stops the process, which then is killed, and lives on.
[[noreturn]] void stop_and_see_it_die(std::uint64_t pid) {
    const auto opened = open_process(pid);
    const auto stop = opened ? (*opened)->stop() : fail(opened.error());
    if (!stop)
        ::_exit(1);
    ::kill(static_cast<pid_t>(pid), SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if ((*stop)->resume())
        ::_exit(1);
    for (;;)
        ::pause();
}

/// Maps, replaces, stops, unmaps and leaves until it is killed.
[[noreturn]] void inject_for_ever(std::uint64_t pid, std::uint64_t place) {
    const auto opened = open_process(pid);
    if (!opened)
        ::_exit(1);
    target::Target& target = **opened;
    const Mapping mapping{{kFree + place * 0x10000, 0x2000}, Bytes(0x2000, 1), Protection::read_execute};
    for (int i = 0;; ++i) {
        static_cast<void>(target.map({&mapping, 1}));
        static_cast<void>(target.replace(mapping));
        if (const auto stop = target.stop())
            static_cast<void>((*stop)->write_code(mapping.range.begin, Bytes{2}));
        static_cast<void>(target.unmap({&mapping.range, 1}));
        if (i % 2 == 1)
            static_cast<void>(target.leave());
    }
}

TEST(InjectorDeath, AtAnyMomentLeavesTheProcessRunning) {
    constexpr std::uint64_t kDeaths = 150;
    ThreadsProgram program(16);
    std::mt19937 random(20260101);
    for (std::uint64_t i = 0; i < kDeaths; ++i) {
        const pid_t injector = ::fork();
        if (injector == 0)
            inject_for_ever(program.target->pid(), i);
        std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 60000));
        int status = 0;
        ASSERT_EQ(::waitpid(injector, &status, WNOHANG), 0) << "injector " << i << " ended by itself: " << status;
        ::kill(injector, SIGKILL);
        ASSERT_EQ(::waitpid(injector, &status, 0), injector);
        ASSERT_TRUE(program.process.running()) << "after " << i << " deaths\n" << program.process.output();
    }
    program.expect_healthy();

    const Mapping mapping{{kFree - 0x10000, 0x1000}, {1, 2, 3}, Protection::read_execute};
    ASSERT_TRUE(succeeded(program.target->map({&mapping, 1})));
    ASSERT_TRUE(succeeded(program.target->replace(mapping)));
    ASSERT_TRUE(succeeded(program.target->unmap({&mapping.range, 1})));
    ASSERT_TRUE(succeeded(program.target->leave()));
    const auto stop = program.target->stop();
    ASSERT_TRUE(succeeded(stop));
    EXPECT_EQ((*stop)->threads().size(), 18u);
    ASSERT_TRUE(succeeded((*stop)->resume()));
    // No page of a stub is left, also not of injectors that died before they had written it.
    const auto regions = program.target->regions();
    ASSERT_TRUE(succeeded(regions));
    for (const target::Region& region : *regions)
        EXPECT_FALSE(region.executable && region.range.size == 0x1000 &&
                     region.range.begin.value >= std::uint64_t{1} << 44 &&
                     region.range.begin.value < std::uint64_t{5} << 44);
    program.expect_healthy();
}

TEST(TargetDeath, IsNotHiddenFromItsParentByAnInjectorThatLivesOn) {
    ThreadsProgram program(8);
    const pid_t injector = ::fork();
    if (injector == 0)
        stop_and_see_it_die(program.target->pid());
    EXPECT_EQ(program.process.wait_exit(std::chrono::seconds(10)), 128 + SIGKILL);
    int status = 0;
    EXPECT_EQ(::waitpid(injector, &status, WNOHANG), 0);
    ::kill(injector, SIGKILL);
    ::waitpid(injector, &status, 0);
}

} // namespace
} // namespace suture::loader
