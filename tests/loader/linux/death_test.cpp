// What becomes of the process when its injector dies.
#include "loader/linux/calls.hpp"
#include "loader/linux/maps.hpp"
#include "loader/host/process.hpp"
#include "loader/linux/wine.hpp"
#include "tests/loader/linux/threads_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
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

/// Maps, replaces, makes unwind data known and forgotten, stops, unmaps and leaves until it is killed.
[[noreturn]] void inject_for_ever(std::uint64_t pid, std::uint64_t place) {
    const auto opened = open_process(pid);
    if (!opened)
        ::_exit(1);
    target::Target& target = **opened;
    const Mapping mapping{{kFree + place * 0x10000, 0x2000}, Bytes(0x2000, 1), Protection::read_execute};
    for (int i = 0;; ++i) {
        static_cast<void>(target.map({&mapping, 1}));
        static_cast<void>(target.replace(mapping));
        if (target.registers_unwind() && i % 3 == 0) {
            static_cast<void>(target.register_unwind({mapping.range.begin, mapping.range.begin, 1}));
            static_cast<void>(target.unregister_unwind(mapping.range.begin));
        }
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

/// Makes a thread of the process start another program in its place.
[[noreturn]] void replace_program(std::uint64_t pid, Va arguments) {
    const auto memory = Memory::open(pid);
    const auto maps = read_maps(pid);
    const auto wine = memory && maps ? find_wine_process(*memory, *maps) : fail(Code::target_gone, "");
    if (!wine)
        ::_exit(1);
    RemoteCalls calls(*memory, wine->layout);
    const arch::SystemCall call{
        SYS_execveat, {static_cast<std::uint64_t>(AT_FDCWD), 0, arguments.value, 0, 0}, {}, "/bin/sleep"};
    static_cast<void>(calls.make({&call, 1}, nullptr));
    ::_exit(0);
}

TEST(TargetDeath, ByExecIsAnErrorAndTheNewProgramIsLeftAlone) {
    ThreadsProgram program(8);
    const std::uint64_t pid = program.target->pid();
    const std::array<std::uint64_t, 3> pointers = {kFree.value + 0x40, kFree.value + 0x50, 0};
    Mapping arguments{{kFree, 0x1000}, Bytes(0x60), Protection::read_write};
    std::memcpy(arguments.content.data(), pointers.data(), sizeof pointers);
    std::memcpy(arguments.content.data() + 0x40, "sleep", 5);
    std::memcpy(arguments.content.data() + 0x50, "600", 3);
    ASSERT_TRUE(succeeded(program.target->map({&arguments, 1})));
    const Mapping page{{kFree + 0x10000, 0x1000}, {1}, Protection::read_execute};
    ASSERT_TRUE(succeeded(program.target->map({&page, 1})));
    const auto staged = program.target->stage({&page, 1});
    ASSERT_TRUE(succeeded(staged));

    const pid_t other = ::fork();
    if (other == 0)
        replace_program(pid, kFree);
    const auto name = [&] {
        std::string text;
        std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), text);
        return text;
    };
    for (int i = 0; i < 1000 && name() != "sleep"; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(name(), "sleep");
    ::kill(other, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(other, &status, 0), other);

    const Mapping another{{kFree + 0x20000, 0x1000}, {1}, Protection::read};
    EXPECT_FALSE(program.target->modules());
    EXPECT_FALSE(program.target->stop());
    EXPECT_FALSE(program.target->map({&another, 1}));
    EXPECT_FALSE(program.target->replace(**staged));
    EXPECT_FALSE(program.target->unmap({&page.range, 1}));
    Bytes byte(1);
    EXPECT_FALSE(program.target->read(page.range.begin, byte));
    const auto maps = read_maps(pid);
    ASSERT_TRUE(maps);
    for (const MapEntry& entry : *maps)
        EXPECT_TRUE(entry.path.find("suture") == std::string::npos && !entry.range.overlaps(another.range));
    EXPECT_EQ(name(), "sleep");
    EXPECT_TRUE(program.process.running());
}

} // namespace
} // namespace suture::loader
