#include "loader/linux/process.hpp"

#include "loader/linux/arch.hpp"
#include "loader/linux/calls.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/memory.hpp"
#include "loader/linux/procfs.hpp"
#include "loader/linux/threads.hpp"
#include "loader/linux/wine.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace suture::loader {

namespace {

using arch::SystemCall;

class Process;

class LinuxStop final : public target::Stop {
  public:
    LinuxStop(Process& process, StoppedThreads threads, std::vector<target::ThreadState> states)
        : process_(process), stopped_(std::move(threads)), states_(std::move(states)) {}
    ~LinuxStop() override { let_go(); }

    std::span<const target::ThreadState> threads() const override { return states_; }
    Result<void> write_code(Va at, ByteView bytes) override;
    Result<void> resume() override;
    StoppedThreads& stopped() { return stopped_; }

  private:
    bool let_go();

    Process& process_;
    StoppedThreads stopped_;
    std::vector<target::ThreadState> states_;
};

class Process final : public target::Target {
  public:
    Process(Memory memory, WineProcess wine) : memory_(std::move(memory)), wine_(std::move(wine)) {}

    std::uint64_t pid() const override { return memory_.pid(); }
    Machine machine() const override { return arch::kMachine; }
    std::uint64_t page_size() const override { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

    Result<std::vector<target::Module>> modules() override;
    Result<std::vector<target::Region>> regions() override;
    Result<void> read(Va at, std::span<std::uint8_t> into) override;
    Result<void> map(std::span<const target::Mapping> mappings) override;
    Result<void> replace(const target::Mapping& mapping) override;
    Result<void> unmap(std::span<const VaRange> ranges) override;
    Result<void> leave() override;
    Result<std::unique_ptr<target::Stop>> stop() override;
    Result<Bytes> module_file(const target::Module& module) override;
    std::chrono::nanoseconds now() override;
    void wait(std::chrono::nanoseconds duration) override { std::this_thread::sleep_for(duration); }

    const Memory& memory() const { return memory_; }
    void forget_stop() { stop_ = nullptr; }

  private:
    StoppedThreads* stopped() { return stop_ ? &stop_->stopped() : nullptr; }
    Result<void> check_mapping(const target::Mapping& mapping);
    Result<void> fill(Va at, const target::Mapping& mapping);
    Result<void> check_range(VaRange range);
    /// What is done after something went wrong: its own failure adds nothing to what is reported.
    void undo(std::span<const VaRange> ranges) { static_cast<void>(unmap(ranges)); }

    Memory memory_;
    WineProcess wine_;
    RemoteCalls calls_{memory_, wine_.layout};
    LinuxStop* stop_ = nullptr;
};

int protection_of(target::Protection protection) {
    switch (protection) {
    case target::Protection::read_write:
        return PROT_READ | PROT_WRITE;
    case target::Protection::read_execute:
        return PROT_READ | PROT_EXEC;
    case target::Protection::read:
        break;
    }
    return PROT_READ;
}

SystemCall map_call(VaRange range, target::Protection protection) {
    return {SYS_mmap,
            {range.begin.value, range.size, static_cast<std::uint64_t>(protection_of(protection)),
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~std::uint64_t{0}, 0}};
}

std::string describe(VaRange range) {
    return fmt::format("0x{:x} to 0x{:x}", range.begin.value, range.end().value);
}

std::unexpected<Error> call_failure(std::string_view what, VaRange range, std::int64_t result) {
    return fail(Code::target_map_failed,
                fmt::format("{} of {}: {}", what, describe(range), std::strerror(static_cast<int>(-result))));
}

bool LinuxStop::let_go() {
    process_.forget_stop();
    return stopped_.release();
}

Result<void> LinuxStop::resume() {
    if (!let_go())
        return process_.memory().check_alive();
    return {};
}

Result<void> LinuxStop::write_code(Va at, ByteView bytes) {
    // The kernel makes what it writes visible to instruction fetches where the processor does not.
    if (process_.memory().write_forced(at, bytes))
        return {};
    SUTURE_CHECK(process_.memory().check_alive());
    return fail(Code::target_write_failed, fmt::format("{} bytes at 0x{:x}", bytes.size(), at.value));
}

Result<std::vector<target::Module>> Process::modules() {
    SUTURE_CHECK(memory_.check_alive());
    SUTURE_TRY(const auto maps, read_maps(pid()));
    return list_modules(memory_, wine_.peb, maps);
}

Result<std::vector<target::Region>> Process::regions() {
    SUTURE_CHECK(memory_.check_alive());
    SUTURE_TRY(const auto maps, read_maps(pid()));
    std::vector<target::Region> regions;
    regions.reserve(maps.size());
    for (const MapEntry& entry : maps)
        regions.push_back({entry.range, entry.readable, entry.writable, entry.executable});
    return regions;
}

Result<void> Process::read(Va at, std::span<std::uint8_t> into) {
    SUTURE_CHECK(memory_.check_alive());
    if (memory_.read(at, into))
        return {};
    SUTURE_CHECK(memory_.check_alive());
    return fail(Code::target_read_failed, fmt::format("{} bytes at 0x{:x}", into.size(), at.value));
}

Result<void> Process::check_range(VaRange range) {
    if (range.size == 0 || range.begin.value % page_size() != 0 || range.size % page_size() != 0 ||
        range.end() < range.begin)
        return fail(Code::target_map_failed, fmt::format("{} are not whole pages", describe(range)));
    return {};
}

Result<void> Process::check_mapping(const target::Mapping& mapping) {
    SUTURE_CHECK(check_range(mapping.range));
    if (mapping.content.size() > mapping.range.size)
        return fail(Code::target_map_failed,
                    fmt::format("{} bytes do not fit into {}", mapping.content.size(), describe(mapping.range)));
    return {};
}

Result<void> Process::fill(Va at, const target::Mapping& mapping) {
    if (mapping.content.empty() || memory_.write_forced(at, mapping.content))
        return {};
    SUTURE_CHECK(memory_.check_alive());
    return fail(Code::target_map_failed,
                fmt::format("{} bytes cannot be written to 0x{:x}", mapping.content.size(), at.value));
}

Result<void> Process::map(std::span<const target::Mapping> mappings) {
    SUTURE_CHECK(memory_.check_alive());
    std::vector<SystemCall> calls;
    for (const target::Mapping& mapping : mappings) {
        SUTURE_CHECK(check_mapping(mapping));
        calls.push_back(map_call(mapping.range, mapping.protection));
    }
    SUTURE_TRY(const auto results, calls_.make(calls, stopped()));
    std::vector<VaRange> made;
    Result<void> outcome;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const VaRange wanted = mappings[i].range;
        if (results[i] == static_cast<std::int64_t>(wanted.begin.value)) {
            made.push_back(wanted);
        } else if (results[i] < 0) {
            outcome = call_failure("mmap", wanted, results[i]);
        } else { // a kernel before 4.17 takes the address for a wish
            made.push_back({Va{static_cast<std::uint64_t>(results[i])}, wanted.size});
            outcome = fail(Code::target_map_failed, fmt::format("{} are in use", describe(wanted)));
        }
    }
    for (std::size_t i = 0; i < mappings.size() && outcome; ++i)
        outcome = fill(mappings[i].range.begin, mappings[i]);
    if (!outcome && !made.empty())
        undo(made);
    return outcome;
}

Result<void> Process::replace(const target::Mapping& mapping) {
    SUTURE_CHECK(memory_.check_alive());
    SUTURE_CHECK(check_mapping(mapping));
    const VaRange range = mapping.range;
    SUTURE_TRY(const auto maps, read_maps(pid()));
    for (Va at = range.begin; at < range.end();) {
        const MapEntry* entry = find_entry(maps, at);
        if (!entry)
            return fail(Code::target_map_failed, fmt::format("0x{:x} of {} is not mapped", at.value, describe(range)));
        at = entry->range.end();
    }
    SUTURE_TRY(const Va aside, calls_.staging(range.size, stopped()));
    const VaRange staged{aside, range.size};
    target::Mapping prepared{staged, mapping.content, mapping.protection};
    SUTURE_CHECK(map({&prepared, 1}));
    const SystemCall move{SYS_mremap,
                          {aside.value, range.size, range.size, MREMAP_MAYMOVE | MREMAP_FIXED, range.begin.value}};
    const auto results = calls_.make({&move, 1}, stopped());
    if (results && results->front() == static_cast<std::int64_t>(range.begin.value))
        return {};
    undo({&staged, 1});
    if (!results)
        return std::unexpected(results.error());
    return call_failure("mremap", range, results->front());
}

Result<void> Process::unmap(std::span<const VaRange> ranges) {
    SUTURE_CHECK(memory_.check_alive());
    std::vector<SystemCall> calls;
    for (const VaRange& range : ranges) {
        SUTURE_CHECK(check_range(range));
        calls.push_back({SYS_munmap, {range.begin.value, range.size}});
    }
    SUTURE_TRY(const auto results, calls_.make(calls, stopped()));
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i] != 0)
            return call_failure("munmap", ranges[i], results[i]);
    }
    return {};
}

Result<void> Process::leave() {
    SUTURE_CHECK(memory_.check_alive());
    return calls_.leave(stopped());
}

Result<std::unique_ptr<target::Stop>> Process::stop() {
    /// Looks at a process with a thread that is between PE code and the Unix side; the last one takes it as it is.
    constexpr int kAttempts = 4;
    constexpr std::chrono::microseconds kBetween{200};

    SUTURE_CHECK(memory_.check_alive());
    if (stop_)
        return fail(Code::target_stop_failed, fmt::format("process {} is stopped already", pid()));
    for (int attempt = 1;; ++attempt) {
        SUTURE_TRY(StoppedThreads all, StoppedThreads::all(pid()));
        std::vector<target::ThreadState> states;
        states.reserve(all.threads().size());
        for (const StoppedThread& thread : all.threads()) {
            auto state = thread_state(memory_, wine_.layout, static_cast<std::uint64_t>(thread.tid), thread.registers,
                                      attempt == kAttempts);
            if (!state)
                break;
            states.push_back(std::move(*state));
        }
        if (states.size() == all.threads().size()) {
            auto stop = std::make_unique<LinuxStop>(*this, std::move(all), std::move(states));
            stop_ = stop.get();
            return stop;
        }
        all.release();
        std::this_thread::sleep_for(kBetween);
    }
}

Result<Bytes> Process::module_file(const target::Module& module) {
    /// No image that a process loads is larger.
    constexpr std::uintmax_t kMaxImageFile = std::uintmax_t{2} << 30;
    std::error_code error;
    const auto size = std::filesystem::file_size(module.path, error);
    if (module.path.empty() || error || size > kMaxImageFile)
        return fail(Error(Code::file_unreadable, module.path.empty()
                                                     ? "its file is not known"
                                                     : fmt::format("{}: {}", module.path, error.message()))
                        .in_image(module.name));
    std::ifstream file(module.path, std::ios::binary);
    Bytes bytes(static_cast<std::size_t>(size));
    if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
        return fail(Error(Code::file_unreadable, module.path).in_image(module.name));
    return bytes;
}

std::chrono::nanoseconds Process::now() {
    return std::chrono::steady_clock::now().time_since_epoch();
}

/// The program that runs in the process, as the kernel started it.
Result<void> check_host_program(std::uint64_t pid, const Status& status) {
    std::ifstream file(fmt::format("/proc/{}/exe", pid), std::ios::binary);
    std::array<char, EI_NIDENT + 4> header{};
    if (!file.read(header.data(), header.size()))
        return fail(Code::target_inaccessible,
                    fmt::format("the program of process {} ({}) cannot be read", pid, status.name));
    std::uint16_t machine = 0;
    std::memcpy(&machine, header.data() + EI_NIDENT + 2, sizeof machine);
    if (std::memcmp(header.data(), ELFMAG, SELFMAG) != 0 || header[EI_CLASS] != ELFCLASS64 ||
        machine != arch::kElfMachine)
        return fail(Code::target_inaccessible,
                    fmt::format("process {} ({}) runs a program for another machine or with 32 bits (ELF machine {})",
                                pid, status.name, machine));
    return {};
}

/// IMAGE_FILE_HEADER.Machine of the program in memory.
Result<void> check_image(const Memory& memory, Va image) {
    constexpr std::uint64_t kMaxHeader = 0x1000;
    const auto header = memory.value<std::uint32_t>(image + 0x3c);
    if (!header || *header > kMaxHeader)
        return fail(Code::target_not_pe, fmt::format("the program of process {} has no PE header", memory.pid()));
    const auto signature = memory.value<std::uint32_t>(image + *header);
    const auto machine = memory.value<std::uint16_t>(image + *header + 4);
    if (!signature || *signature != 0x4550 || !machine)
        return fail(Code::target_not_pe, fmt::format("the program of process {} has no PE header", memory.pid()));
    if (*machine != static_cast<std::uint16_t>(arch::kMachine))
        return fail(Code::target_not_pe, fmt::format("the program of process {} is for machine 0x{:x}, not {}",
                                                     memory.pid(), *machine, name_of(arch::kMachine)));
    return {};
}

} // namespace

Result<std::unique_ptr<target::Target>> open_process(std::uint64_t pid) {
    if (pid == 0 || pid > INT_MAX)
        return fail(Code::target_gone, fmt::format("{} is no process id", pid));
    SUTURE_TRY(const Status status, read_status(pid));
    if (status.process != pid)
        return fail(Code::target_gone,
                    fmt::format("{} is a thread of process {}", pid, describe_process(status.process)));
    if (status.state == 'Z' || status.state == 'X')
        return fail(Code::target_gone, fmt::format("process {} ({}) has ended", pid, status.name));
    if (status.kernel_thread)
        return fail(Code::target_not_pe, fmt::format("process {} ({}) is a thread of the kernel", pid, status.name));
    if (status.tracer != 0)
        return fail(Code::target_inaccessible, fmt::format("process {} ({}) is traced by process {}", pid, status.name,
                                                           describe_process(status.tracer)));
    // A thread that cannot be stopped would only show once something lies in the process.
    for (const pid_t tid : list_threads(pid))
        if (const auto thread = read_status(static_cast<std::uint64_t>(tid)); thread && thread->tracer != 0)
            return fail(
                Error(Code::target_inaccessible, fmt::format("a thread of process {} ({}) is traced by process {}", pid,
                                                             status.name, describe_process(thread->tracer)))
                    .in_thread(static_cast<std::uint64_t>(tid)));
    SUTURE_TRY(Memory memory, Memory::open(pid));
    SUTURE_TRY(const auto maps, read_maps(pid));
    if (maps.empty())
        return fail(Code::target_not_pe, fmt::format("process {} ({}) has no memory", pid, status.name));
    SUTURE_CHECK(check_host_program(pid, status));
    SUTURE_TRY(WineProcess wine, find_wine_process(memory, maps));
    SUTURE_CHECK(check_image(memory, wine.image));
    return std::make_unique<Process>(std::move(memory), std::move(wine));
}

ProcessList list_processes() {
    ProcessList list;
    const auto note = [&list](const Error& error) { list.inaccessible += error.code() == Code::target_inaccessible; };
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename();
        std::uint64_t pid = 0;
        const auto [rest, parsed] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed != std::errc() || rest != name.data() + name.size())
            continue;
        // Nobody may look into the kernel's threads, and there is nothing to see.
        const auto status = read_status(pid);
        if (!status || status->kernel_thread)
            continue;
        const auto maps = read_maps(pid);
        if (!maps)
            note(maps.error());
        if (!maps || !has_ntdll(*maps))
            continue;
        const auto memory = Memory::open(pid);
        if (!memory) {
            note(memory.error());
            continue;
        }
        const auto wine = find_wine_process(*memory, *maps);
        if (wine && check_image(*memory, wine->image))
            list.pids.push_back(pid);
    }
    std::ranges::sort(list.pids);
    return list;
}

} // namespace suture::loader
