#include "loader/linux/process.hpp"

#include "loader/linux/arch.hpp"
#include "loader/linux/calls.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/memory.hpp"
#include "loader/linux/pages.hpp"
#include "loader/linux/pe_calls.hpp"
#include "loader/linux/procfs.hpp"
#include "loader/linux/stub.hpp"
#include "loader/linux/threads.hpp"
#include "loader/linux/wine.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace suture::loader {

namespace {

class Process;

class LinuxStop final : public target::Stop {
  public:
    LinuxStop(Process& process, StoppedThreads threads, std::vector<target::ThreadState> states)
        : process_(process), stopped_(std::move(threads)), states_(std::move(states)) {}
    ~LinuxStop() override { let_go(); }

    std::chrono::nanoseconds began() const override { return stopped_.began().time_since_epoch(); }
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
    /// `visited`: an injector has been there before.
    Process(Memory memory, WineProcess wine, bool visited) : memory_(std::move(memory)), wine_(std::move(wine)) {
        calls_.expect_pe_calls(visited);
    }
    Process(Memory memory, WineProcess wine, StoppedThreads held)
        : memory_(std::move(memory)), wine_(std::move(wine)), held_(std::move(held)) {}

    std::uint64_t pid() const override { return memory_.pid(); }
    Machine machine() const override { return arch::kMachine; }
    std::uint64_t page_size() const override { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

    Result<std::vector<target::Module>> modules() override;
    Result<std::vector<target::Region>> regions() override;
    Result<void> read(Va at, std::span<std::uint8_t> into) override;
    Result<void> read(std::span<const target::Reading> readings) override;
    Result<void> map(std::span<const target::Mapping> mappings) override;
    Result<std::unique_ptr<target::Staged>> stage(std::span<const target::Mapping> mappings) override;
    using Target::replace;
    Result<void> replace(target::Staged& staged) override;
    Result<void> unmap(std::span<const VaRange> ranges) override;
    /// A program that is just being started has only one thread, and that is in the middle of Wine's loader.
    bool registers_unwind() const override { return PeCalls::possible() && !held_; }
    Result<void> register_unwind(const target::UnwindTable& table) override;
    Result<void> unregister_unwind(Va table) override;
    Result<void> leave() override;
    Result<target::Remains> remains() override;
    Result<void> tidy() override;
    Result<std::unique_ptr<target::Stop>> stop() override;
    Result<Bytes> module_file(const target::Module& module) override;
    std::chrono::nanoseconds now() override;
    void wait(std::chrono::nanoseconds duration) override { std::this_thread::sleep_for(duration); }

    const Memory& memory() const { return memory_; }
    void discard(StagedPages& staged) { pages_.discard(staged, stopped()); }
    void forget_stop() { stop_ = nullptr; }

  private:
    /// Its id is that of no other process. While it is stopped it cannot be: who traces its threads has to take them
    /// off the kernel first.
    Result<void> check_same();
    StoppedThreads* stopped() { return held_ ? &*held_ : stop_ ? &stop_->stopped() : nullptr; }
    /// Nothing if one of them has to be looked at again.
    std::optional<std::vector<target::ThreadState>> states_of(StoppedThreads& threads, bool conservatively);

    Memory memory_;
    WineProcess wine_;
    RemoteCalls calls_{memory_, wine_.layout};
    RemotePages pages_{memory_, calls_};
    PeCalls pe_calls_{memory_, wine_.layout, calls_};
    LinuxStop* stop_ = nullptr;
    std::optional<StoppedThreads> held_; ///< those of a process that stands still all the time
};

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
    if (maps.empty()) // it is ending: its memory goes first
        return fail(Code::target_gone, fmt::format("process {} has ended", pid()));
    std::vector<target::Region> regions;
    regions.reserve(maps.size());
    for (const MapEntry& entry : maps)
        regions.push_back({entry.range, entry.readable, entry.writable, entry.executable});
    return regions;
}

Result<void> Process::check_same() {
    return stopped() ? Result<void>() : memory_.check_alive();
}

Result<void> Process::read(Va at, std::span<std::uint8_t> into) {
    SUTURE_CHECK(check_same());
    if (memory_.read(at, into))
        return {};
    SUTURE_CHECK(memory_.check_alive());
    return fail(Code::target_read_failed, fmt::format("{} bytes at 0x{:x}", into.size(), at.value));
}

Result<void> Process::read(std::span<const target::Reading> readings) {
    SUTURE_CHECK(check_same());
    if (memory_.read(readings))
        return {};
    return Target::read(readings); // says which
}

Result<void> Process::map(std::span<const target::Mapping> mappings) {
    SUTURE_CHECK(memory_.check_alive());
    if (std::ranges::any_of(mappings, [](const target::Mapping& one) { return one.call_targets.has_value(); }))
        spdlog::debug("control-flow guard: call targets are not set, Wine has none");
    return pages_.map(mappings, stopped());
}

/// Pages that lie aside, and the process that they lie in.
struct ProcessStaged final : target::Staged {
    ProcessStaged(Process& owner, StagedPages pages) : process(owner), content(std::move(pages)) {}
    ~ProcessStaged() override { process.discard(content); }

    Process& process;
    StagedPages content;
};

Result<std::unique_ptr<target::Staged>> Process::stage(std::span<const target::Mapping> mappings) {
    SUTURE_CHECK(memory_.check_alive());
    SUTURE_TRY(StagedPages staged, pages_.stage(mappings, stopped()));
    return std::make_unique<ProcessStaged>(*this, std::move(staged));
}

Result<void> Process::replace(target::Staged& staged) {
    SUTURE_CHECK(memory_.check_alive());
    return pages_.replace(static_cast<ProcessStaged&>(staged).content, stopped());
}

Result<void> Process::unmap(std::span<const VaRange> ranges) {
    SUTURE_CHECK(memory_.check_alive());
    return pages_.unmap(ranges, stopped());
}

Result<void> Process::register_unwind(const target::UnwindTable& table) {
    SUTURE_CHECK(memory_.check_alive());
    if (stopped())
        return Target::register_unwind(table);
    SUTURE_TRY(const auto modules, this->modules());
    SUTURE_TRY(const std::uint64_t known,
               pe_calls_.call(*this, modules, "RtlAddFunctionTable", {table.at.value, table.count, table.base.value}));
    // BOOLEAN
    if ((known & 0xff) == 0)
        return fail(Code::unwind_not_registered, "RtlAddFunctionTable failed");
    return {};
}

Result<void> Process::unregister_unwind(Va table) {
    SUTURE_CHECK(memory_.check_alive());
    if (stopped())
        return Target::unregister_unwind(table);
    SUTURE_TRY(const auto modules, this->modules());
    SUTURE_CHECK(pe_calls_.call(*this, modules, "RtlDeleteFunctionTable", {table.value}));
    return {};
}

Result<void> Process::leave() {
    SUTURE_CHECK(memory_.check_alive());
    return calls_.leave(false, stopped());
}

Result<void> Process::tidy() {
    SUTURE_CHECK(memory_.check_alive());
    return calls_.leave(true, stopped());
}

Result<target::Remains> Process::remains() {
    SUTURE_CHECK(memory_.check_alive());
    SUTURE_TRY(auto own, calls_.remains());
    SUTURE_TRY(const auto maps, read_maps(pid()));
    target::Remains remains;
    remains.aside = std::move(own.aside);
    if (own.stub)
        remains.workshop.push_back(*own.stub);
    for (const MapEntry& entry : maps)
        if (entry.path.starts_with(kSealedPrefix) &&
            std::ranges::find(remains.aside, entry.range) == remains.aside.end())
            remains.mapped.push_back(entry.range);
    return remains;
}

std::optional<std::vector<target::ThreadState>> Process::states_of(StoppedThreads& threads, bool conservatively) {
    std::vector<target::ThreadState> states;
    states.reserve(threads.threads().size());
    for (const StoppedThread& thread : threads.threads()) {
        auto state = thread_state(memory_, wine_.layout, static_cast<std::uint64_t>(thread.tid), thread.registers,
                                  conservatively);
        if (!state)
            return std::nullopt;
        states.push_back(std::move(*state));
    }
    return states;
}

Result<std::unique_ptr<target::Stop>> Process::stop() {
    /// Looks at a process with a thread that is between PE code and the Unix side; the last one takes it as it is.
    constexpr int kAttempts = 4;
    constexpr std::chrono::microseconds kBetween{200};

    SUTURE_CHECK(memory_.check_alive());
    if (stop_)
        return fail(Code::target_stop_failed, fmt::format("process {} is stopped already", pid()));
    const auto made = [this](StoppedThreads threads, std::vector<target::ThreadState> states) {
        auto stop = std::make_unique<LinuxStop>(*this, std::move(threads), std::move(states));
        stop_ = stop.get();
        return stop;
    };
    if (held_)
        return made(StoppedThreads::none(pid()), *states_of(*held_, true));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (int attempt = 1;; ++attempt) {
        SUTURE_TRY(StoppedThreads all, StoppedThreads::all(pid()));
        // What a dead injector made a thread do is not over: its calls would come in the middle of this operation.
        if (const StoppedThread* const borrowed = calls_.still_borrowed(all)) {
            if (std::chrono::steady_clock::now() >= deadline)
                return fail(Error(Code::target_stop_failed, "it does not come back from the calls of an injector")
                                .in_thread(static_cast<std::uint64_t>(borrowed->tid)));
            --attempt;
            all.release();
            std::this_thread::sleep_for(kBetween);
            continue;
        }
        if (auto states = states_of(all, attempt == kAttempts))
            return made(std::move(all), std::move(*states));
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

/// A process that is ending loses its memory first, and looks like one that never had any.
Error unless_ended(const Memory& memory, Error error) {
    const auto maps = read_maps(memory.pid());
    if (memory.alive() && maps && !maps->empty())
        return error;
    return Error(Code::target_gone, fmt::format("process {} has ended", memory.pid())).caused_by(std::move(error));
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
        return fail(Code::target_gone, fmt::format("process {} ({}) has ended", pid, status.name));
    if (auto runs = check_host_program(pid, status); !runs)
        return fail(unless_ended(memory, std::move(runs).error()));
    auto wine = find_wine_process(memory, maps);
    if (!wine)
        return fail(unless_ended(memory, std::move(wine).error()));
    if (auto image = check_image(memory, wine->image); !image)
        return fail(unless_ended(memory, std::move(image).error()));
    const bool visited = !find_stubs(memory, maps).empty();
    return std::make_unique<Process>(std::move(memory), std::move(*wine), visited);
}

Result<std::unique_ptr<target::Target>> open_held_process(const StoppedThread& only) {
    const auto pid = static_cast<std::uint64_t>(only.tid);
    SUTURE_TRY(Memory memory, Memory::open(pid));
    SUTURE_TRY(const auto maps, read_maps(pid));
    SUTURE_TRY(WineProcess wine, find_wine_process(memory, maps));
    SUTURE_CHECK(check_image(memory, wine.image));
    return std::make_unique<Process>(std::move(memory), std::move(wine), StoppedThreads::of(only));
}

ProcessList list_processes() {
    ProcessList list;
    const auto note = [&list](const Error& error) { list.inaccessible += error.code() == Code::target_inaccessible; };
    for (const std::uint64_t pid : list_pids()) {
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
    return list;
}

} // namespace suture::loader
