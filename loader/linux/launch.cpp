#include "loader/linux/launch.hpp"

#include "loader/linux/process.hpp"
#include "loader/linux/procfs.hpp"
#include "loader/linux/wine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace suture::loader {

using tracing::Event;

namespace {

/// Begin in every process before anything of its program does.
constexpr std::array<std::string_view, 3> kSystemModules = {"ntdll.dll", "kernelbase.dll", "kernel32.dll"};

bool is_system_module(std::string_view name) {
    return std::ranges::any_of(kSystemModules, [&](auto one) { return target::same_file_name(one, name); });
}

std::unexpected<Error> ended_early(pid_t pid) {
    return fail(Code::target_gone,
                fmt::format("process {} ended before a program with a PE image had begun in it", pid));
}

} // namespace

Result<Launch> Launch::attach(pid_t pid) {
    switch (tracing::seize_to_start(pid)) {
    case tracing::Seized::gone:
        return ended_early(pid);
    case tracing::Seized::refused:
        return fail(Code::target_inaccessible,
                    fmt::format("process {} {}", pid, tracing::refusal(static_cast<std::uint64_t>(pid))));
    case tracing::Seized::yes:
        break;
    }
    if (!tracing::interrupt(pid) || tracing::report(pid, tracing::Deadline::max()).event == Event::ended ||
        !tracing::resume_to_call(pid, 0))
        return ended_early(pid);
    return Launch(pid);
}

/// At a system call. Looked at again after each exec(): the old addresses mean nothing then.
bool Launch::is_loaded(const arch::Registers& registers) {
    const auto memory = Memory::open(static_cast<std::uint64_t>(pid_));
    if (!memory)
        return false;
    const Va block = arch::thread_block_of(registers, *memory);
    if (block.value == 0)
        return false;
    const auto peb = environment_block_of(*memory, block);
    if (!peb || !any_module_has_begun(*memory, *peb))
        return false;
    peb_ = *peb;
    return true;
}

Result<void> Launch::until_loaded(const std::function<int(Error)>& ends) {
    for (;;) {
        const tracing::Report report = tracing::report(pid_, tracing::Deadline::max());
        arch::Registers registers;
        switch (report.event) {
        case Event::ended:
            tracing::bury(pid_);
            return ended_early(pid_);
        case Event::held:
            tracing::stay_held(pid_);
            continue;
        case Event::call:
            if (!tracing::get_registers(pid_, registers))
                continue;
            if (is_loaded(registers))
                return hold();
            if (arch::is_exit(registers))
                tracing::set_registers(pid_, arch::with_exit_code(registers, ends(ended_early(pid_).error())));
            break;
        case Event::signal:
        case Event::stopped:
        case Event::timeout:
            break;
        }
        tracing::resume_to_call(pid_, report.event == Event::signal ? report.number : 0);
    }
}

/// From the stop at a call to one behind it, where the thread can be borrowed.
Result<void> Launch::hold() {
    tracing::interrupt(pid_);
    tracing::resume(pid_, 0);
    for (;;) {
        const tracing::Report report = tracing::report(pid_, tracing::Deadline::max());
        if (report.event == Event::ended)
            return ended_early(pid_);
        if (report.event == Event::stopped)
            break;
        tracing::resume(pid_, report.event == Event::signal ? report.number : 0);
    }
    thread_.tid = pid_;
    thread_.how = {Event::stopped, 0};
    if (!tracing::get_registers(pid_, thread_.registers))
        return ended_early(pid_);
    return {};
}

Result<std::unique_ptr<target::Target>> Launch::open(std::span<const std::string> modules) {
    const auto pid = static_cast<std::uint64_t>(pid_);
    SUTURE_TRY(const Memory memory, Memory::open(pid));
    if (const std::size_t count = list_threads(pid).size(); count != 1)
        return fail(Code::target_stop_failed, fmt::format("process {} has {} threads before it begins", pid, count));
    const auto begun = modules_that_have_begun(memory, peb_);
    if (!begun)
        return fail(Code::target_read_failed, fmt::format("the list of modules of process {} is damaged", pid));
    for (const std::string& module : modules)
        if (!is_system_module(module) &&
            std::ranges::any_of(*begun, [&](const auto& one) { return target::same_file_name(one, module); }))
            return fail(Error(Code::target_stop_failed, "it began to run before the process could be stopped")
                            .in_image(module));
    auto target = open_held_process(thread_);
    opened_ = target.has_value();
    return target;
}

void Launch::end(int exit_code) {
    Bytes before_ip(arch::kCallInstruction);
    const Va ip = arch::ip_of(thread_.registers);
    const auto memory = Memory::open(static_cast<std::uint64_t>(pid_));
    const bool read = memory && memory->read(Va{ip.value - before_ip.size()}, before_ip);
    const auto registers = read ? arch::with_exit(thread_.registers, before_ip, exit_code) : std::nullopt;
    if (!registers || !tracing::set_registers(pid_, *registers))
        ::kill(pid_, SIGKILL);
    if (!opened_)
        tracing::detach(pid_, 0);
}

} // namespace suture::loader
