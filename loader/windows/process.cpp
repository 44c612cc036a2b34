#include "loader/windows/process.hpp"

#include "engine/pe/exports.hpp"
#include "loader/host/module_list.hpp"
#include "loader/windows/call_targets.hpp"
#include "loader/windows/memory.hpp"
#include "loader/windows/remote_call.hpp"
#include "loader/windows/shadow_stacks.hpp"
#include "loader/windows/suspension.hpp"
#include "loader/windows/views.hpp"
#include "loader/windows/watchdog.hpp"

#include <fmt/format.h>
#include <psapi.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

namespace suture::loader {

namespace {

class Process;

class WindowsStop final : public target::Stop {
  public:
    WindowsStop(Process& process, Suspension suspension) : process_(process), suspension_(std::move(suspension)) {}
    ~WindowsStop() override { let_go(); }

    std::chrono::nanoseconds began() const override { return suspension_.began().time_since_epoch(); }
    std::span<const target::ThreadState> threads() const override { return suspension_.threads(); }
    Result<void> write_code(Va at, ByteView bytes) override;
    Result<void> resume() override;
    Suspension& suspension() { return suspension_; }

  private:
    bool let_go();

    Process& process_;
    Suspension suspension_;
};

class Process final : public target::Target {
  public:
    /// `call`: empty where threads that are made run.
    Process(Handle process, Va peb, std::uint64_t pid, CallInProcess call)
        : process_(std::move(process)), memory_(process_.get()), peb_(peb), pid_(pid), call_(std::move(call)) {}

    std::uint64_t pid() const override { return pid_; }
    Machine machine() const override { return Machine::x64; }
    std::uint64_t page_size() const override { return 0x1000; }

    Result<std::vector<target::Module>> modules() override;
    Result<std::vector<target::Region>> regions() override;
    Result<void> read(Va at, std::span<std::uint8_t> into) override;
    Result<void> read(std::span<const target::Reading> readings) override;
    Result<void> map(std::span<const target::Mapping> mappings) override;
    Result<std::unique_ptr<target::Staged>> stage(std::span<const target::Mapping> mappings) override;
    using Target::replace;
    Result<void> replace(target::Staged& staged) override;
    Result<void> unmap(std::span<const VaRange> ranges) override;
    bool registers_unwind() const override { return true; }
    Result<void> register_unwind(const target::UnwindTable& table) override;
    Result<void> unregister_unwind(Va table) override;
    Result<void> allow_calls(std::span<const Va> targets) override { return guard().allow(targets); }
    Result<std::unique_ptr<target::Stop>> stop() override;
    Result<Bytes> module_file(const target::Module& module) override;
    std::chrono::nanoseconds now() override { return std::chrono::steady_clock::now().time_since_epoch(); }
    void wait(std::chrono::nanoseconds duration) override { std::this_thread::sleep_for(duration); }

    Result<void> check_alive() const;
    void forget_stop() { stop_ = nullptr; }

  private:
    /// Started with the first thing that would have to be undone.
    Result<Unfinished*> unfinished();
    CallGuard& guard();
    /// Calls a function of the process's ntdll. Errors: those of call_remotely().
    Result<bool> call(std::string_view function, Va beside, const std::array<std::uint64_t, 3>& arguments);

    Handle process_;
    Memory memory_;
    Va peb_;
    std::uint64_t pid_;
    CallInProcess call_;
    std::optional<Watchdog> watchdog_;
    std::optional<CallGuard> guard_;
    WindowsStop* stop_ = nullptr;
};

bool WindowsStop::let_go() {
    process_.forget_stop();
    return suspension_.release();
}

Result<void> WindowsStop::resume() {
    if (let_go())
        return {};
    SUTURE_CHECK(process_.check_alive());
    return fail(Code::target_stop_failed, "its pages or its threads could not be let go");
}

VaRange pages_of(Va at, std::uint64_t size) {
    const Va begin{at.value & ~std::uint64_t{0xfff}};
    return {begin, (at + size - begin + 0xfff) & ~std::uint64_t{0xfff}};
}

Result<void> WindowsStop::write_code(Va at, ByteView bytes) {
    if (suspension_.write(pages_of(at, bytes.size()), at, bytes))
        return {};
    SUTURE_CHECK(process_.check_alive());
    return fail(Code::target_write_failed, fmt::format("{} bytes at 0x{:x}", bytes.size(), at.value));
}

Result<void> Process::check_alive() const {
    if (::WaitForSingleObject(process_.get(), 0) == WAIT_OBJECT_0)
        return fail(Code::target_gone, fmt::format("process {} has ended", pid_));
    return {};
}

Result<Unfinished*> Process::unfinished() {
    SUTURE_CHECK(check_alive());
    if (!watchdog_) {
        SUTURE_TRY(Watchdog started, Watchdog::start(process_.get()));
        watchdog_.emplace(std::move(started));
    }
    return &watchdog_->unfinished();
}

Result<std::vector<target::Module>> Process::modules() {
    constexpr int kAttempts = 8; // the list changes while it is read when the process loads or unloads
    const ReadMemory read = [this](Va at, std::span<std::uint8_t> into) { return memory_.read(at, into); };
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        SUTURE_CHECK(check_alive());
        auto listed = walk_modules(read, peb_, ModuleOrder::loaded);
        if (!listed)
            continue;
        if (listed->empty())
            return fail(Code::target_not_pe, fmt::format("process {} has loaded no module yet", pid_));
        std::vector<target::Module> modules;
        for (ListedModule& module : *listed)
            modules.push_back({std::move(module.name), module.range, std::move(module.path)});
        return modules;
    }
    return fail(Code::target_read_failed,
                fmt::format("the list of modules of process {} is damaged or changes all the time", pid_));
}

Result<std::vector<target::Region>> Process::regions() {
    SUTURE_CHECK(check_alive());
    std::vector<target::Region> regions;
    const auto fill_granule = [&regions] {
        // Nothing can be mapped in the rest of it.
        if (const std::uint64_t rest = regions.empty() ? 0 : regions.back().range.end().value % kGranularity; rest != 0)
            regions.push_back({{regions.back().range.end(), kGranularity - rest}});
    };
    for (const Pages& pages : memory_.pages()) {
        if (pages.given_back())
            continue;
        const target::Region region{pages.range, pages.readable(), pages.writable(), pages.executable()};
        if (!regions.empty() && regions.back().range.end() < region.range.begin)
            fill_granule();
        const auto alike = [](const target::Region& one) {
            return std::tuple(one.readable, one.writable, one.executable);
        };
        if (!regions.empty() && regions.back().range.end() == region.range.begin &&
            region.range.begin.value % kGranularity != 0 && alike(regions.back()) == alike(region))
            regions.back().range.size += region.range.size;
        else
            regions.push_back(region);
    }
    fill_granule();
    if (regions.empty())
        return fail(Code::target_gone, fmt::format("process {} has ended", pid_));
    return regions;
}

Result<void> Process::read(Va at, std::span<std::uint8_t> into) {
    if (memory_.read(at, into))
        return {};
    SUTURE_CHECK(check_alive());
    return fail(Code::target_read_failed, fmt::format("{} bytes at 0x{:x}", into.size(), at.value));
}

Result<void> Process::read(std::span<const target::Reading> readings) {
    if (memory_.read(readings))
        return {};
    SUTURE_CHECK(check_alive());
    return fail(Code::target_read_failed, fmt::format("one of {} places", readings.size()));
}

Result<void> Process::map(std::span<const target::Mapping> mappings) {
    SUTURE_TRY(Unfinished * undone, unfinished());
    SUTURE_CHECK(map_views(memory_, *undone, mappings));
    for (const target::Mapping& mapping : mappings)
        if (mapping.call_targets)
            guard().restrict_to(mapping.range, *mapping.call_targets);
    return {};
}

CallGuard& Process::guard() {
    return guard_ ? *guard_ : guard_.emplace(memory_, GuardFunctions::of_system());
}

/// Nothing of it lies in the process before it is put.
struct HeldPages final : target::Staged {
    std::vector<target::Mapping> mappings;
};

Result<std::unique_ptr<target::Staged>> Process::stage(std::span<const target::Mapping> mappings) {
    SUTURE_CHECK(check_alive());
    auto held = std::make_unique<HeldPages>();
    held->mappings.assign(mappings.begin(), mappings.end());
    for (target::Mapping& mapping : held->mappings)
        mapping.content.resize(static_cast<std::size_t>(mapping.range.size));
    return held;
}

Result<void> Process::replace(target::Staged& staged) {
    SUTURE_TRY(Unfinished * undone, unfinished());
    std::optional<Suspension> own;
    if (!stop_) {
        SUTURE_TRY(Suspension made, Suspension::of(memory_, *undone));
        own.emplace(std::move(made));
    }
    Suspension& stopped = own ? *own : stop_->suspension();
    for (const target::Mapping& mapping : static_cast<HeldPages&>(staged).mappings)
        if (!stopped.write(mapping.range, mapping.range.begin, mapping.content)) {
            SUTURE_CHECK(check_alive());
            return fail(Code::target_map_failed,
                        fmt::format("0x{:x} bytes at 0x{:x}", mapping.range.size, mapping.range.begin.value));
        }
    if (own && !own->release()) {
        SUTURE_CHECK(check_alive());
        return fail(Code::target_map_failed, "its pages or its threads could not be let go");
    }
    return {};
}

Result<void> Process::unmap(std::span<const VaRange> ranges) {
    SUTURE_CHECK(check_alive());
    return unmap_views(memory_, ranges);
}

Result<bool> Process::call(std::string_view function, Va beside, const std::array<std::uint64_t, 3>& arguments) {
    SUTURE_TRY(Unfinished * undone, unfinished());
    const auto unreadable = [](Error why) {
        return fail(Error(Code::unwind_not_registered, "the exports of ntdll.dll cannot be read").caused_by(why));
    };
    const auto ntdll = target::find_module(*this, "ntdll.dll");
    if (!ntdll)
        return unreadable(ntdll.error());
    const auto bytes = target::read_bytes(*this, ntdll->range.begin, ntdll->range.size);
    if (!bytes)
        return unreadable(bytes.error());
    const auto image = pe::Image::parse(*bytes, pe::Layout::mapped);
    if (!image)
        return unreadable(image.error());
    const auto exports = pe::exports_of(*image);
    if (!exports)
        return unreadable(exports.error());
    const auto found = std::ranges::find(*exports, function, &pe::Export::name);
    if (found == exports->end() || !found->forwarder.empty())
        return fail(Code::unwind_not_registered, fmt::format("ntdll.dll has no {}", function));
    const Va at = ntdll->range.begin + found->rva.value;
    auto result = call_ ? call_(at, arguments) : call_remotely(memory_, *undone, beside, at, arguments);
    if (!result)
        SUTURE_CHECK(check_alive());
    return result;
}

Result<void> Process::register_unwind(const target::UnwindTable& table) {
    if (stop_)
        return Target::register_unwind(table);
    SUTURE_TRY(const bool known,
               call("RtlAddFunctionTable", table.at, {table.at.value, table.count, table.base.value}));
    return known ? Result<void>() : fail(Code::unwind_not_registered, "RtlAddFunctionTable failed");
}

Result<void> Process::unregister_unwind(Va table) {
    if (stop_)
        return Target::unregister_unwind(table);
    SUTURE_CHECK(call("RtlDeleteFunctionTable", table, {table.value}));
    return {};
}

Result<std::unique_ptr<target::Stop>> Process::stop() {
    if (stop_)
        return fail(Code::target_stop_failed, fmt::format("process {} is stopped already", pid_));
    SUTURE_TRY(Unfinished * undone, unfinished());
    auto suspension = Suspension::of(memory_, *undone);
    if (!suspension) {
        SUTURE_CHECK(check_alive());
        return std::unexpected(std::move(suspension).error());
    }
    auto stop = std::make_unique<WindowsStop>(*this, std::move(*suspension));
    stop_ = stop.get();
    return stop;
}

Result<Bytes> Process::module_file(const target::Module& module) {
    /// No image that a process loads is larger.
    constexpr std::uintmax_t kMaxImageFile = std::uintmax_t{2} << 30;
    const std::filesystem::path path(std::u8string(module.path.begin(), module.path.end()));
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error || size > kMaxImageFile)
        return fail(
            Error(Code::file_unreadable, fmt::format("{}: {}", module.path, error.message())).in_image(module.name));
    std::ifstream file(path, std::ios::binary);
    Bytes bytes(static_cast<std::size_t>(size));
    if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
        return fail(Error(Code::file_unreadable, module.path).in_image(module.name));
    return bytes;
}

Error cannot_open(std::uint64_t pid, DWORD error) {
    if (error == ERROR_INVALID_PARAMETER)
        return Error(Code::target_gone, fmt::format("there is no process {}", pid));
    return Error(
        Code::target_inaccessible,
        fmt::format("process {} cannot be opened ({}); it is another user's, or protected", pid, error_text(error)));
}

/// The process environment block, of a program of this machine with 64 bits.
Result<Va> find_peb(HANDLE process, std::uint64_t pid) {
    BOOL wow64 = FALSE;
    if (::IsWow64Process(process, &wow64) && wow64)
        return fail(Code::target_inaccessible,
                    fmt::format("process {} runs a program of 32 bits, or one for another machine", pid));
    PROCESS_BASIC_INFORMATION basic{};
    if (!succeeded(NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic, nullptr)) ||
        !basic.PebBaseAddress)
        return fail(Code::target_not_pe, fmt::format("process {} has no environment block", pid));
    return Va{reinterpret_cast<std::uint64_t>(basic.PebBaseAddress)};
}

/// IMAGE_FILE_HEADER.Machine of the program in memory.
Result<void> check_image(const Memory& memory, Va peb, std::uint64_t pid) {
    constexpr std::uint32_t kPebImageBase = 0x10;
    constexpr std::uint32_t kMaxHeader = 0x1000;
    const auto image = memory.value<std::uint64_t>(peb + kPebImageBase);
    const auto header = image ? memory.value<std::uint32_t>(Va{*image} + 0x3c) : std::nullopt;
    if (!header || *header > kMaxHeader)
        return fail(Code::target_not_pe, fmt::format("the program of process {} has no PE header", pid));
    const auto signature = memory.value<std::uint32_t>(Va{*image} + *header);
    const auto machine = memory.value<std::uint16_t>(Va{*image} + *header + 4);
    if (!signature || *signature != 0x4550 || !machine)
        return fail(Code::target_not_pe, fmt::format("the program of process {} has no PE header", pid));
    if (*machine != static_cast<std::uint16_t>(Machine::x64))
        return fail(Code::target_not_pe, fmt::format("the program of process {} is for machine 0x{:x}, not {}", pid,
                                                     *machine, name_of(Machine::x64)));
    return {};
}

Result<std::unique_ptr<target::Target>> open(std::uint64_t pid, CallInProcess call) {
    constexpr DWORD kAccess = PROCESS_QUERY_INFORMATION | PROCESS_VM_READ | PROCESS_VM_WRITE | PROCESS_VM_OPERATION |
                              PROCESS_CREATE_THREAD | PROCESS_SUSPEND_RESUME | SYNCHRONIZE;
    if (pid == 0 || pid > UINT32_MAX)
        return fail(Code::target_gone, fmt::format("{} is no process id", pid));
    Handle process(::OpenProcess(kAccess, FALSE, static_cast<DWORD>(pid)));
    if (!process)
        return fail(cannot_open(pid, ::GetLastError()));
    if (::GetProcessId(process.get()) != pid) // it takes ids that are no multiple of 4 for their neighbour's
        return fail(Code::target_gone, fmt::format("there is no process {}", pid));
    if (::WaitForSingleObject(process.get(), 0) == WAIT_OBJECT_0)
        return fail(Code::target_gone, fmt::format("process {} has ended", pid));
    if (has_shadow_stacks(process.get(), GuardFunctions::of_system()))
        return fail(
            Code::target_inaccessible,
            fmt::format("process {} has shadow stacks (CET), which continuations of displaced calls break", pid));
    SUTURE_TRY(const Va peb, find_peb(process.get(), pid));
    SUTURE_CHECK(check_image(Memory(process.get()), peb, pid));
    return std::make_unique<Process>(std::move(process), peb, pid, std::move(call));
}

} // namespace

Result<std::unique_ptr<target::Target>> open_process(std::uint64_t pid) {
    return open(pid, {});
}

Result<std::unique_ptr<target::Target>> open_held_process(std::uint64_t pid, CallInProcess call) {
    return open(pid, std::move(call));
}

ProcessList list_processes() {
    std::vector<DWORD> ids(1024);
    DWORD size = 0;
    for (;;) {
        const auto room = static_cast<DWORD>(ids.size() * sizeof(DWORD));
        if (!::EnumProcesses(ids.data(), room, &size) || size < room)
            break;
        ids.resize(2 * ids.size());
    }
    ids.resize(size / sizeof(DWORD));
    ProcessList list;
    for (const DWORD id : ids) {
        if (id == 0 || id == ::GetCurrentProcessId())
            continue;
        const auto process = open_process(id);
        if (process)
            list.pids.push_back(id);
        else
            list.inaccessible += process.error().code() == Code::target_inaccessible;
    }
    std::ranges::sort(list.pids);
    return list;
}

} // namespace suture::loader
