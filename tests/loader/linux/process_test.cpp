#include "loader/host/process.hpp"
#include "loader/linux/arch.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/procfs.hpp"
#include "tests/loader/linux/threads_program.hpp"

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sstream>
#include <thread>

namespace suture::loader {
namespace {

using target::Mapping;
using target::Protection;
using test::failed_with;
using test::kFree;
using test::succeeded;
using test::ThreadsProgram;

Bytes read(target::Target& target, Va at, std::size_t size) {
    Bytes bytes(size);
    EXPECT_TRUE(succeeded(target.read(at, bytes)));
    return bytes;
}

/// The region that begins at `at`, or null.
const target::Region* region_at(const std::vector<target::Region>& regions, Va at) {
    const auto found = std::ranges::find_if(regions, [&](const auto& region) { return region.range.begin == at; });
    return found == regions.end() ? nullptr : &*found;
}

/// What would differ if something had been mapped: which pages there are, less Wine's own heaps and stacks.
bool is_mapped(target::Target& target, Va at) {
    const auto regions = target.regions();
    EXPECT_TRUE(succeeded(regions));
    return std::ranges::any_of(*regions, [&](const auto& region) { return region.range.contains(at); });
}

/// Wine keeps some modules of its own in ELF libraries, NAME.so, and makes their headers in memory in front of them.
bool is_made_of_library(const target::Target& target, const target::Module& module) {
    const auto maps = read_maps(target.pid());
    return succeeded(maps) && std::ranges::any_of(*maps, [&](const MapEntry& entry) {
               return entry.inode != 0 && entry.range.overlaps(module.range) && entry.path.ends_with(module.name + ".so");
           });
}

TEST(Process, HasTheModulesThatItsOwnLoaderLists) {
    ThreadsProgram program(1);
    const auto modules = program.target->modules();
    ASSERT_TRUE(succeeded(modules));
    std::istringstream lines(program.process.output());
    std::size_t count = 0;
    for (std::string word, path; lines >> word && word == "module"; ++count) {
        std::uint64_t base = 0, size = 0;
        lines >> std::hex >> base >> size >> path;
        const std::string name = path.substr(path.rfind('\\') + 1);
        const auto found = std::ranges::find_if(
            *modules, [&](const target::Module& module) { return module.range.begin.value == base; });
        ASSERT_NE(found, modules->end()) << path;
        EXPECT_EQ(found->range.size, size);
        EXPECT_EQ(strcasecmp(found->name.c_str(), name.c_str()), 0) << found->name << " is not " << name;
        if (found->path.empty())
            EXPECT_TRUE(is_made_of_library(*program.target, *found)) << path;
        else
            EXPECT_TRUE(found->path.ends_with(name)) << found->path;
        EXPECT_EQ(read(*program.target, found->range.begin, 2), (Bytes{'M', 'Z'}));
    }
    EXPECT_EQ(count, modules->size());
    EXPECT_GE(count, 4u);
    EXPECT_EQ(modules->front().name, "threads.exe");
    EXPECT_TRUE(succeeded(find_module(*program.target, "KernelBase.DLL")));
    EXPECT_EQ(program.target->machine(), arch::kMachine);
    EXPECT_EQ(program.target->module_file(modules->front()).value_or(Bytes{}).size(),
              std::filesystem::file_size(test::program_path("threads.exe")));
}

TEST(Process, IsListedAmongAll) {
    ThreadsProgram program(1);
    const auto all = list_processes().pids;
    EXPECT_TRUE(std::ranges::binary_search(all, program.target->pid()));
    EXPECT_FALSE(std::ranges::binary_search(all, static_cast<std::uint64_t>(::getpid())));
}

TEST(Process, ReadsAllOrNothing) {
    ThreadsProgram program(1);
    Bytes bytes(0x2000);
    EXPECT_TRUE(failed_with(program.target->read(kFree, bytes), Code::target_read_failed, "0x150000000"));
}

TEST(Process, MapsReplacesAndUnmaps) {
    ThreadsProgram program(4);
    target::Target& target = *program.target;
    const std::vector<Mapping> mappings = {{{kFree, 0x2000}, Bytes(0x1801, 0x5a), Protection::read_execute},
                                           {{kFree + 0x10000, 0x1000}, {1, 2, 3}, Protection::read},
                                           {{kFree + 0x20000, 0x1000}, {}, Protection::read_write}};
    ASSERT_TRUE(succeeded(target.map(mappings)));
    Bytes expected(0x2000);
    std::fill_n(expected.begin(), 0x1801, std::uint8_t{0x5a});
    EXPECT_EQ(read(target, kFree, 0x2000), expected);
    const auto regions = target.regions();
    ASSERT_TRUE(succeeded(regions));
    const auto* code = region_at(*regions, kFree);
    const auto* constants = region_at(*regions, kFree + 0x10000);
    const auto* data = region_at(*regions, kFree + 0x20000);
    ASSERT_TRUE(code && constants && data);
    EXPECT_TRUE(code->readable && code->executable && !code->writable);
    EXPECT_TRUE(constants->readable && !constants->executable && !constants->writable);
    EXPECT_TRUE(data->readable && !data->executable && data->writable);

    ASSERT_TRUE(succeeded(target.replace({{kFree + 0x1000, 0x1000}, Bytes(0x1000, 0xa5), Protection::read_execute})));
    std::fill(expected.begin() + 0x1000, expected.end(), std::uint8_t{0xa5});
    EXPECT_EQ(read(target, kFree, 0x2000), expected);

    const std::vector<VaRange> ranges = {mappings[0].range, mappings[1].range, mappings[2].range};
    ASSERT_TRUE(succeeded(target.unmap(ranges)));
    for (const VaRange& range : ranges)
        EXPECT_FALSE(is_mapped(target, range.begin));
    program.expect_healthy();
}

TEST(Process, MapsManyRangesAtOnce) {
    ThreadsProgram program(4);
    std::vector<Mapping> mappings;
    std::vector<VaRange> ranges;
    for (std::uint64_t i = 0; i < 100; ++i) {
        mappings.push_back({{kFree + i * 0x2000, 0x1000}, {static_cast<std::uint8_t>(i)}, Protection::read});
        ranges.push_back(mappings.back().range);
    }
    ASSERT_TRUE(succeeded(program.target->map(mappings)));
    for (std::size_t i = 0; i < ranges.size(); ++i)
        EXPECT_EQ(read(*program.target, ranges[i].begin, 1).front(), i);
    ASSERT_TRUE(succeeded(program.target->unmap(ranges)));
    program.expect_healthy();
}

TEST(Process, RefusesToMapOverWhatIsThereAndLeavesNothing) {
    ThreadsProgram program(4);
    target::Target& target = *program.target;
    const auto modules = target.modules();
    ASSERT_TRUE(succeeded(modules));
    const VaRange module = modules->back().range;
    const Bytes before = read(target, module.begin, 0x1000);
    const std::vector<Mapping> mappings = {{{kFree, 0x1000}, {1}, Protection::read},
                                           {{module.begin, 0x1000}, {2}, Protection::read},
                                           {{kFree + 0x1000, 0x1000}, {3}, Protection::read}};
    EXPECT_TRUE(failed_with(target.map(mappings), Code::target_map_failed));
    EXPECT_EQ(read(target, module.begin, 0x1000), before);
    EXPECT_FALSE(is_mapped(target, kFree));
    EXPECT_FALSE(is_mapped(target, kFree + 0x1000));
    // Reserved, although not accessible.
    const auto regions = target.regions();
    ASSERT_TRUE(succeeded(regions));
    const auto reserved = std::ranges::find_if(*regions, [](const auto& region) { return !region.readable; });
    ASSERT_NE(reserved, regions->end());
    const Mapping there{{reserved->range.begin, 0x1000}, {1}, Protection::read};
    EXPECT_TRUE(failed_with(target.map({&there, 1}), Code::target_map_failed));
    program.expect_healthy();
}

TEST(Process, RefusesWhatAreNotWholePages) {
    ThreadsProgram program(1);
    for (const Mapping& mapping :
         {Mapping{{kFree + 1, 0x1000}, {}, Protection::read}, Mapping{{kFree, 0x1001}, {}, Protection::read},
          Mapping{{kFree, 0}, {}, Protection::read}, Mapping{{kFree, 0x1000}, Bytes(0x1001), Protection::read},
          Mapping{{Va{~std::uint64_t{0xfff}}, 0x2000}, {}, Protection::read}}) {
        EXPECT_TRUE(failed_with(program.target->map({&mapping, 1}), Code::target_map_failed));
        EXPECT_TRUE(failed_with(program.target->replace(mapping), Code::target_map_failed));
    }
    EXPECT_TRUE(failed_with(program.target->replace({{kFree, 0x1000}, {1}, Protection::read}), Code::target_map_failed,
                            "not mapped"));
    EXPECT_FALSE(is_mapped(*program.target, kFree));
}

TEST(Process, LeavesNothingOfItsOwnBehind) {
    ThreadsProgram program(4, "wait");
    target::Target& target = *program.target;
    const auto executable = [&] {
        std::vector<VaRange> ranges;
        const auto regions = target.regions();
        for (const auto& region : regions.value())
            if (region.executable)
                ranges.push_back(region.range);
        return ranges;
    };
    const auto before = executable();
    const Mapping mapping{{kFree, 0x1000}, {1}, Protection::read};
    ASSERT_TRUE(succeeded(target.map({&mapping, 1})));
    ASSERT_TRUE(succeeded(target.replace(mapping)));
    ASSERT_TRUE(succeeded(target.unmap({&mapping.range, 1})));
    EXPECT_EQ(executable().size(), before.size() + 1);
    ASSERT_TRUE(succeeded(target.leave()));
    EXPECT_EQ(executable(), before);
    ASSERT_TRUE(succeeded(target.leave()));
    program.expect_healthy();
}

TEST(Process, MapsAndUnmapsWhileSixteenThreadsWork) {
    ThreadsProgram program(16);
    for (std::uint64_t i = 0; i < 300; ++i) {
        const auto content = static_cast<std::uint8_t>(i);
        const Mapping mapping{{kFree + 0x10000 * (i % 7), 0x1000}, Bytes(0x1000, content), Protection::read_execute};
        ASSERT_TRUE(succeeded(program.target->map({&mapping, 1}))) << i;
        ASSERT_EQ(read(*program.target, mapping.range.begin, 0x1000), mapping.content);
        ASSERT_TRUE(succeeded(program.target->unmap({&mapping.range, 1}))) << i;
    }
    program.expect_healthy();
}

TEST(Stop, SeesEveryThreadWhereItsPeCodeIs) {
    ThreadsProgram program(18);
    const auto modules = program.target->modules();
    ASSERT_TRUE(succeeded(modules));
    const auto in_module = [&](Va at) {
        return std::ranges::any_of(*modules, [&](const auto& module) { return module.range.contains(at); });
    };
    for (int i = 0; i < 20; ++i) {
        auto stop = program.target->stop();
        ASSERT_TRUE(succeeded(stop));
        const auto threads = (*stop)->threads();
        EXPECT_EQ(threads.size(), 20u);
        EXPECT_TRUE(std::ranges::is_sorted(threads, {}, &target::ThreadState::id));
        EXPECT_EQ(threads.front().id, program.target->pid());
        for (const target::ThreadState& thread : threads) {
            EXPECT_TRUE(in_module(thread.ip) || !thread.volatile_registers) << fmt::format("0x{:x}", thread.ip.value);
            EXPECT_TRUE(thread.stack.contains(thread.sp));
            if (arch::kMachine == Machine::x64) { // has its stack pointer among them
                EXPECT_EQ(thread.registers[4], thread.sp.value);
            }
            EXPECT_EQ(thread.other_ips.empty(), thread.volatile_registers);
        }
        ASSERT_TRUE(succeeded((*stop)->resume()));
    }
    program.expect_healthy();
}

TEST(Stop, ShowsASleeperInNtdllWithItsCaller) {
    ThreadsProgram program(0);
    const auto ntdll = find_module(*program.target, "ntdll.dll");
    const auto base = find_module(*program.target, "kernelbase.dll");
    ASSERT_TRUE(ntdll && base);
    const auto stop = program.target->stop();
    ASSERT_TRUE(succeeded(stop));
    ASSERT_EQ((*stop)->threads().size(), 2u);
    const target::ThreadState& sleeper = (*stop)->threads()[1];
    EXPECT_TRUE(ntdll->range.contains(sleeper.ip));
    std::uint64_t caller = 0;
    if (arch::kMachine == Machine::arm64) { // in the link register: the stub of a system call has no frame
        caller = sleeper.registers[30];
    } else {
        ASSERT_TRUE(succeeded(program.target->read(sleeper.sp, {reinterpret_cast<std::uint8_t*>(&caller), 8})));
    }
    EXPECT_TRUE(base->range.contains(Va{caller}));
    EXPECT_FALSE(sleeper.volatile_registers);
}

TEST(Stop, HoldsStillAndMapsAndWritesCodeMeanwhile) {
    ThreadsProgram program(16);
    const Mapping mapping{
        {kFree, 0x1000}, {1, 2, 3, 4}, Protection::read_execute, target::Backing::copy_on_write};
    for (int i = 0; i < 10; ++i) {
        auto stop = program.target->stop();
        ASSERT_TRUE(succeeded(stop));
        EXPECT_TRUE(failed_with(program.target->stop(), Code::target_stop_failed));
        const std::string before = program.process.output();
        ASSERT_TRUE(succeeded(program.target->map({&mapping, 1})));
        ASSERT_TRUE(succeeded((*stop)->write_code(kFree + 1, Bytes{9, 8})));
        EXPECT_EQ(read(*program.target, kFree, 4), (Bytes{1, 9, 8, 4}));
        ASSERT_TRUE(succeeded(program.target->replace(mapping)));
        EXPECT_EQ(read(*program.target, kFree, 4), mapping.content);
        ASSERT_TRUE(succeeded(program.target->unmap({&mapping.range, 1})));
        EXPECT_TRUE(failed_with((*stop)->write_code(kFree, Bytes{1}), Code::target_write_failed));
        ASSERT_TRUE(succeeded(program.target->leave()));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_EQ(program.process.output(), before);
        ASSERT_TRUE(succeeded((*stop)->resume()));
    }
    program.expect_healthy();
}

TEST(Stop, EndsWithItsDestruction) {
    ThreadsProgram program(4);
    ASSERT_TRUE(succeeded(program.target->stop()));
    program.expect_healthy();
}

TEST(Stop, WorksOnAProcessThatIsHeld) {
    ThreadsProgram program(4);
    ::kill(program.process.pid(), SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    auto stop = program.target->stop();
    ASSERT_TRUE(succeeded(stop));
    EXPECT_EQ((*stop)->threads().size(), 6u);
    ASSERT_TRUE(succeeded((*stop)->resume()));
    const Mapping mapping{{kFree, 0x1000}, {1}, Protection::read};
    EXPECT_TRUE(failed_with(program.target->map({&mapping, 1}), Code::target_map_failed, "SIGSTOP"));
    ::kill(program.process.pid(), SIGCONT);
    program.expect_healthy();
}

TEST(Process, SaysThatItEndedWhileStopped) {
    ThreadsProgram program(8);
    auto stop = program.target->stop();
    ASSERT_TRUE(succeeded(stop));
    ::kill(program.process.pid(), SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const Mapping mapping{{kFree, 0x1000}, {1}, Protection::read};
    EXPECT_FALSE(program.target->map({&mapping, 1}));
    EXPECT_TRUE(failed_with((*stop)->resume(), Code::target_gone));
    EXPECT_EQ(program.process.wait_exit(std::chrono::seconds(10)), 128 + SIGKILL);
    EXPECT_TRUE(failed_with(program.target->stop(), Code::target_gone));
    EXPECT_TRUE(failed_with(program.target->map({&mapping, 1}), Code::target_gone));
    EXPECT_TRUE(failed_with(program.target->modules(), Code::target_gone));
    EXPECT_TRUE(failed_with(open_process(program.target->pid()), Code::target_gone));
}

/// Another process that traces a thread, as a debugger does.
class Tracer {
  public:
    explicit Tracer(pid_t thread) {
        int ready[2];
        EXPECT_EQ(::pipe(ready), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            const char done = ::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0 ? 1 : 0;
            ::_exit(::write(ready[1], &done, 1) == 1 && done ? ::pause() : 1);
        }
        char done = 0;
        EXPECT_EQ(::read(ready[0], &done, 1), 1);
        EXPECT_EQ(done, 1);
        ::close(ready[0]);
        ::close(ready[1]);
    }
    ~Tracer() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;
    std::string name() const { return fmt::format("traced by process {} (", pid_); }

  private:
    pid_t pid_ = -1;
};

TEST(OpenProcess, NamesTheTracer) {
    ThreadsProgram program(1);
    {
        const Tracer tracer(program.process.pid());
        EXPECT_TRUE(failed_with(open_process(program.target->pid()), Code::target_inaccessible, tracer.name()));
        EXPECT_TRUE(failed_with(program.target->stop(), Code::target_stop_failed, tracer.name()));
    }
    EXPECT_TRUE(succeeded(program.target->stop()));
    program.expect_healthy();
}

TEST(OpenProcess, NamesTheTracerOfAnyThreadAndLetsGoOfTheOthers) {
    ThreadsProgram program(4);
    const auto threads = list_threads(program.target->pid());
    ASSERT_GT(threads.size(), 1u);
    {
        const Tracer tracer(threads.back());
        EXPECT_TRUE(failed_with(open_process(program.target->pid()), Code::target_inaccessible, tracer.name()));
        EXPECT_TRUE(failed_with(program.target->stop(), Code::target_stop_failed, tracer.name()));
        for (const pid_t thread : threads)
            if (thread != threads.back()) {
                EXPECT_EQ(read_status(static_cast<std::uint64_t>(thread))->tracer, 0u) << thread;
            }
    }
    EXPECT_TRUE(succeeded(program.target->stop()));
    program.expect_healthy();
}

TEST(OpenProcess, RefusesWhatIsNoProcess) {
    EXPECT_TRUE(failed_with(open_process(0), Code::target_gone));
    EXPECT_TRUE(failed_with(open_process(0x7fffffff), Code::target_gone));
    EXPECT_TRUE(failed_with(open_process(~std::uint64_t{0}), Code::target_gone));
    ThreadsProgram program(1);
    const auto stop = program.target->stop();
    ASSERT_TRUE(succeeded(stop));
    EXPECT_TRUE(failed_with(open_process((*stop)->threads().back().id), Code::target_gone, "is a thread of process"));
}

TEST(OpenProcess, RefusesAProcessThatRunsNoPeImage) {
    const pid_t sleeper = ::fork();
    if (sleeper == 0) {
        ::execl("/bin/sleep", "sleep", "100", nullptr);
        ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(failed_with(open_process(static_cast<std::uint64_t>(sleeper)), Code::target_not_pe));
    ::kill(sleeper, SIGKILL);
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(sleeper), &info, WEXITED | WNOWAIT);
    EXPECT_TRUE(failed_with(open_process(static_cast<std::uint64_t>(sleeper)), Code::target_gone, "has ended"));
    ::waitpid(sleeper, nullptr, 0);
}

TEST(OpenProcess, NamesTheUserWhoseProcessItIs) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root can become another user";
    ThreadsProgram program(1);
    const pid_t other = ::fork();
    if (other == 0) {
        if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)
            ::_exit(2);
        ::_exit(failed_with(open_process(program.target->pid()), Code::target_inaccessible, "belongs to user root (0)")
                    ? 0
                    : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0);
}

} // namespace
} // namespace suture::loader
