#include "loader/linux/wine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace suture::loader {

namespace {

constexpr std::uint32_t kTebStackBase = 0x08;
constexpr std::uint32_t kTebStackLimit = 0x10;
constexpr std::uint32_t kTebSelf = 0x30;
constexpr std::uint32_t kTebProcess = 0x40; // ClientId.UniqueProcess
constexpr std::uint32_t kTebPeb = 0x60;
/// Wine's own part lies in GdiTebBatch and what follows.
constexpr std::uint32_t kTebPrivate = 0x2f0;
constexpr std::uint32_t kTebRead = 0x400;
constexpr std::uint32_t kPebImageBase = 0x10;
constexpr std::uint32_t kPebLoader = 0x18;
constexpr std::uint64_t kPage = 0x1000;

using Teb = std::array<std::uint8_t, kTebRead>;

std::uint64_t word(const Teb& teb, std::uint32_t offset) {
    std::uint64_t value;
    std::memcpy(&value, teb.data() + offset, sizeof value);
    return value;
}

bool is_page(std::uint64_t address) {
    return address != 0 && address % kPage == 0;
}

std::string lower_base_name(std::string_view path) {
    std::string name(path.substr(path.rfind('/') + 1));
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return name;
}

/// The program that a PEB names, if it is a PEB.
std::optional<Va> image_of(const Memory& memory, Va peb) {
    const auto image = memory.value<std::uint64_t>(peb + kPebImageBase);
    const auto loader = memory.value<std::uint64_t>(peb + kPebLoader);
    if (!image || !is_page(*image) || !loader || *loader % 8 != 0)
        return std::nullopt;
    if (memory.value<std::uint16_t>(Va{*image}) != 0x5a4d) // "MZ"
        return std::nullopt;
    return Va{*image};
}

/// The place of the frame and of the stack it lies on, told by how they lie to each other.
bool calibrate(const Memory& memory, const std::vector<MapEntry>& maps, Va teb_at, WineLayout& layout) {
    Teb teb;
    if (!memory.read(teb_at, teb))
        return false;
    for (const std::uint32_t frame_offset : arch::kSyscallFrameOffsets) {
        const std::uint64_t frame = word(teb, frame_offset);
        std::array<std::uint8_t, arch::kSyscallFrameSize> bytes;
        target::ThreadState state;
        if (frame % 8 != 0 || !memory.read(Va{frame}, bytes))
            continue;
        arch::take_syscall_frame(bytes, state);
        const MapEntry* code = find_entry(maps, state.ip);
        if (!code || !code->executable)
            continue;
        const auto holds_frame = [&](std::uint32_t offset) {
            const std::uint64_t stack = word(teb, offset);
            return is_page(stack) && frame > stack && frame - stack < ThreadBlock::kKernelStackSize;
        };
        if (holds_frame(layout.kernel_stack)) {
            layout.syscall_frame = frame_offset;
            return true;
        }
        for (std::uint32_t offset = kTebPrivate; offset < kTebRead; offset += 8) {
            if (offset != frame_offset && holds_frame(offset)) {
                layout.syscall_frame = frame_offset;
                layout.kernel_stack = offset;
                return true;
            }
        }
    }
    return false;
}

} // namespace

bool has_ntdll(const std::vector<MapEntry>& maps) {
    return std::ranges::any_of(
        maps, [](const MapEntry& entry) { return entry.inode != 0 && entry.path.ends_with("ntdll.so"); });
}

Result<WineProcess> find_wine_process(const Memory& memory, const std::vector<MapEntry>& maps) {
    if (!has_ntdll(maps))
        return fail(Code::target_not_pe, fmt::format("process {} has not mapped Wine's ntdll.so", memory.pid()));
    WineProcess process;
    for (const MapEntry& entry : maps) {
        const std::string name = lower_base_name(entry.path);
        if (entry.executable && (name == "ntdll.so" || name.starts_with("libc.so")))
            process.layout.dispatcher.push_back(entry.range);
    }
    bool has_peb = false;
    const auto visit = [&](Va page, std::uint64_t self) {
        if (self != page.value)
            return false;
        const auto peb = memory.value<std::uint64_t>(page + kTebPeb);
        if (!peb || !is_page(*peb))
            return false;
        const auto image = image_of(memory, Va{*peb});
        if (!image)
            return false;
        has_peb = true;
        process.peb = Va{*peb};
        process.image = *image;
        process.windows_pid = memory.value<std::uint64_t>(page + kTebProcess).value_or(0);
        // A thread that is starting or ending has no frame yet: another one is taken.
        return calibrate(memory, maps, page, process.layout);
    };
    // Wine puts TEBs below 2 GiB, and ascending order comes to those first.
    for (const MapEntry& entry : maps) {
        if (entry.readable && entry.writable && !entry.shared && entry.path.empty() &&
            memory.visit_page_words(entry.range, kTebSelf, visit))
            return process;
    }
    return fail(Code::target_not_pe,
                fmt::format("process {} {}", memory.pid(),
                            has_peb ? "belongs to a version of Wine that is not known, or is just starting or ending"
                                    : "has no process environment block, or it is just starting"));
}

std::optional<Va> environment_block_of(const Memory& memory, Va at) {
    if (!is_page(at.value) || memory.value<std::uint64_t>(at + kTebSelf) != at.value)
        return std::nullopt;
    const auto peb = memory.value<std::uint64_t>(at + kTebPeb);
    return peb && is_page(*peb) ? std::optional(Va{*peb}) : std::nullopt;
}

std::optional<ThreadBlock> read_thread_block(const Memory& memory, const WineLayout& layout, Va at) {
    Teb teb;
    if (at.value == 0 || !memory.read(at, teb) || word(teb, kTebSelf) != at.value)
        return std::nullopt;
    const std::uint64_t base = word(teb, kTebStackBase);
    const std::uint64_t limit = word(teb, kTebStackLimit);
    if (limit >= base)
        return std::nullopt;
    return ThreadBlock{
        {Va{limit}, base - limit}, Va{word(teb, layout.kernel_stack)}, Va{word(teb, layout.syscall_frame)}};
}

std::optional<target::ThreadState> thread_state(const Memory& memory, const WineLayout& layout, std::uint64_t tid,
                                                const arch::Registers& registers, bool conservatively) {
    /// Frames of user callbacks, one below the other.
    constexpr int kMaxFrames = 64;
    /// Words of a signal stack that are looked at.
    constexpr std::size_t kMaxSignalStack = 0x4000;

    target::ThreadState state;
    state.id = tid;
    arch::take_registers(registers, state);
    const auto block = read_thread_block(memory, layout, arch::thread_block_of(registers, memory));
    if (!block)
        return state; // a thread of the Unix side alone
    const Va ip = state.ip;
    const Va sp = state.sp;
    state.stack = block->stack;
    const auto take_frames = [&] {
        std::array<std::uint8_t, arch::kSyscallFrameSize> bytes;
        Va frame = block->syscall_frame;
        for (int i = 0; i < kMaxFrames && frame.value != 0 && memory.read(frame, bytes); ++i) {
            target::ThreadState outer;
            frame = arch::take_syscall_frame(bytes, i == 0 ? state : outer);
            if (i != 0)
                state.other_ips.push_back(outer.ip);
        }
        state.other_ips.push_back(ip);
    };
    if (block->in_unix_code(sp)) {
        take_frames();
        return state;
    }
    const auto holds = [](Va at) { return [at](const VaRange& range) { return range.contains(at); }; };
    const bool in_dispatcher = std::ranges::any_of(layout.dispatcher, holds(ip));
    if (block->stack.contains(sp) && !in_dispatcher)
        return state; // in PE code
    if (!conservatively)
        return std::nullopt;
    // Between both sides, or in a signal handler: whatever could be an instruction pointer, and all of the stack.
    state.volatile_registers = false;
    take_frames();
    arch::take_return_registers(registers, state.other_ips);
    state.other_ips.push_back(state.ip);
    state.ip = ip;
    if (!block->stack.contains(sp)) {
        state.sp = block->stack.begin;
        std::array<std::uint64_t, kPage / 8> words;
        for (Va page = sp; page - sp < kMaxSignalStack; page = Va{(page.value / kPage + 1) * kPage}) {
            const std::size_t size = kPage - page.value % kPage;
            if (!memory.read(page, {reinterpret_cast<std::uint8_t*>(words.data()), size}))
                break;
            for (std::size_t i = 0; i < size / 8; ++i)
                state.other_ips.push_back(Va{words[i]});
        }
    } else {
        state.sp = sp;
    }
    return state;
}

} // namespace suture::loader
