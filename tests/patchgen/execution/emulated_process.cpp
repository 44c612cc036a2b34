#include "tests/patchgen/execution/emulated_process.hpp"

#include "tests/support/pe_builder.hpp"

#include <fmt/format.h>
#include <unicorn/unicorn.h>

#include <map>
#include <stdexcept>

namespace suture::test {

namespace {

constexpr std::uint64_t kStack = 0x10000000, kStackSize = 0x100000;
constexpr std::uint64_t kBufferAt = 0x20000000;
constexpr std::uint64_t kReturn = 0x30000000; ///< where a call returns to, and the emulator stops
constexpr std::uint64_t kLimit = 4'000'000;   ///< instructions of one call

struct HostFunction {
    const char* name;
    unsigned arguments;
    bool text; ///< the argument is one
};
/// In the order of their exports; each is 16 bytes long and returns.
constexpr HostFunction kHostFunctions[] = {{"host_ask", 1, false}, {"host_note", 2, false}, {"host_text", 1, true}};

struct Registers {
    std::vector<int> preserved, vectors, arguments;
    int result, stack, pc;
};

const Registers& registers_of(Machine machine) {
    static const Registers x64{{UC_X86_REG_RBX, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R12,
                                UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15},
                               {UC_X86_REG_XMM6, UC_X86_REG_XMM7, UC_X86_REG_XMM8, UC_X86_REG_XMM9, UC_X86_REG_XMM10,
                                UC_X86_REG_XMM11, UC_X86_REG_XMM12, UC_X86_REG_XMM13, UC_X86_REG_XMM14,
                                UC_X86_REG_XMM15},
                               {UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_R8},
                               UC_X86_REG_RAX,
                               UC_X86_REG_RSP,
                               UC_X86_REG_RIP};
    static const Registers arm64{{UC_ARM64_REG_X19, UC_ARM64_REG_X20, UC_ARM64_REG_X21, UC_ARM64_REG_X22,
                                  UC_ARM64_REG_X23, UC_ARM64_REG_X24, UC_ARM64_REG_X25, UC_ARM64_REG_X26,
                                  UC_ARM64_REG_X27, UC_ARM64_REG_X28, UC_ARM64_REG_X29},
                                 {UC_ARM64_REG_D8, UC_ARM64_REG_D9, UC_ARM64_REG_D10, UC_ARM64_REG_D11,
                                  UC_ARM64_REG_D12, UC_ARM64_REG_D13, UC_ARM64_REG_D14, UC_ARM64_REG_D15},
                                 {UC_ARM64_REG_X0, UC_ARM64_REG_X1, UC_ARM64_REG_X2},
                                 UC_ARM64_REG_X0,
                                 UC_ARM64_REG_SP,
                                 UC_ARM64_REG_PC};
    return machine == Machine::x64 ? x64 : arm64;
}

void expect_ok(uc_err error, const char* what) {
    if (error != UC_ERR_OK)
        throw std::runtime_error(fmt::format("{}: {}", what, uc_strerror(error)));
}

PeBuilder host_dll(Machine machine) {
    PeBuilder host;
    host.machine = machine;
    Bytes code;
    std::vector<BuiltExport> exports;
    for (const HostFunction& function : kHostFunctions) {
        exports.push_back({function.name, host.rva_of_next() + static_cast<std::uint32_t>(code.size()), ""});
        for (int word = 0; word < 4; ++word)
            append(code, machine == Machine::x64 ? 0xccccccc3u : 0xd65f03c0u); // ret
    }
    host.section(".text", PeBuilder::kCode, code);
    host.exports("host.dll", exports);
    return host;
}

/// The image as the loader maps it, with the addresses of the host's functions in its import slots.
Bytes mapped(const program::Program& program) {
    const pe::Image& image = program.image();
    Bytes bytes(image.size_of_image());
    const auto headers = program.file().slice(0, image.size_of_headers());
    std::ranges::copy(*headers, bytes.begin());
    for (const pe::Section& section : image.sections())
        if (const auto content = image.content(section.range))
            std::ranges::copy(*content, bytes.begin() + section.range.begin.value);
    const std::uint64_t delta = LoadedImage::kBase.value - image.image_base().value;
    for (const pe::Relocation& field : program.relocations())
        put(bytes, field.at.value, *ByteView(bytes).read<std::uint64_t>(field.at.value) + delta);
    const auto lfanew = *ByteView(bytes).read<std::uint32_t>(0x3c);
    put(bytes, lfanew + 24 + 24, LoadedImage::kBase.value);
    for (const pe::ImportSlot& slot : program.imports())
        for (std::size_t i = 0; i < std::size(kHostFunctions); ++i)
            if (slot.name == kHostFunctions[i].name)
                put(bytes, slot.slot.value, LoadedImage::kHost.value + PeBuilder::kPage + 16 * i);
    return bytes;
}

} // namespace

LoadedImage::LoadedImage(const program::Program& loaded, std::string_view name) : program(loaded) {
    target.runs = program.image().machine();
    const PeBuilder host = host_dll(target.runs);
    target.load_module("host.dll", kHost, host.mapped(kHost.value), host.file());
    target.load_module(std::string(name), kBase, mapped(program), Bytes(program.file().begin(), program.file().end()));
}

EmulatedProcess::EmulatedProcess(const LoadedImage& image)
    : machine_(image.target.runs), image_end_(LoadedImage::kBase.value + image.program.image().size_of_image()) {
    expect_ok(machine_ == Machine::x64 ? uc_open(UC_ARCH_X86, UC_MODE_64, &uc_)
                                       : uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc_),
              "open");
    for (const auto& [at, page] : image.target.pages()) {
        const std::uint32_t protection =
            page.protection == target::Protection::read_execute ? UC_PROT_READ | UC_PROT_EXEC
            : page.protection == target::Protection::read_write ? UC_PROT_READ | UC_PROT_WRITE
                                                                : UC_PROT_READ;
        expect_ok(uc_mem_map(uc_, at.value, FakeTarget::kPage, protection), "map");
        expect_ok(uc_mem_write(uc_, at.value, page.bytes.data(), page.bytes.size()), "write");
        if (page.protection != target::Protection::read_execute)
            continue;
        uc_hook hook = 0;
        const bool host = at >= LoadedImage::kHost && at < LoadedImage::kHost + 0x10000;
        if (host || at < LoadedImage::kBase || at.value >= image_end_)
            expect_ok(uc_hook_add(uc_, &hook, UC_HOOK_CODE, reinterpret_cast<void*>(host ? on_host : on_code), this,
                                  at.value, at.value + FakeTarget::kPage - 1),
                      "hook");
    }
    expect_ok(uc_mem_map(uc_, kStack, kStackSize, UC_PROT_READ | UC_PROT_WRITE), "map the stack");
    expect_ok(uc_mem_map(uc_, kBufferAt, FakeTarget::kPage, UC_PROT_READ | UC_PROT_WRITE), "map the buffer");
    expect_ok(uc_mem_map(uc_, kReturn, FakeTarget::kPage, UC_PROT_READ | UC_PROT_EXEC), "map the end");
    if (machine_ == Machine::arm64)
        set(UC_ARM64_REG_CPACR_EL1, 3u << 20);
}

EmulatedProcess::~EmulatedProcess() {
    if (uc_)
        uc_close(uc_);
}

std::uint64_t EmulatedProcess::get(int id) const {
    std::uint64_t value[2] = {};
    uc_reg_read(uc_, id, value);
    return value[0];
}

void EmulatedProcess::set(int id, std::uint64_t value) {
    const std::uint64_t wide[2] = {value, 0};
    uc_reg_write(uc_, id, wide);
}

Bytes EmulatedProcess::read(Va at, std::uint64_t size) const {
    Bytes bytes(size);
    expect_ok(uc_mem_read(uc_, at.value, bytes.data(), size), "read");
    return bytes;
}

Call EmulatedProcess::call(Va function, const Bytes& buffer, std::uint64_t a, std::uint64_t b) {
    const Registers& registers = registers_of(machine_);
    Call result;
    current_ = &result;
    expect_ok(uc_mem_write(uc_, kBufferAt, buffer.data(), buffer.size()), "write the buffer");
    std::uint64_t some = 0x1111'2222'3333'0000;
    for (const auto& group : {registers.preserved, registers.vectors})
        for (const int id : group)
            set(id, ++some);
    std::uint64_t sp = kStack + kStackSize - 0x1000;
    if (machine_ == Machine::x64) {
        sp -= 8;
        expect_ok(uc_mem_write(uc_, sp, &kReturn, 8), "write the return address");
    } else {
        set(UC_ARM64_REG_X30, kReturn);
    }
    set(registers.stack, sp);
    set(registers.arguments[0], kBufferAt);
    set(registers.arguments[1], a);
    set(registers.arguments[2], b);
    const uc_err error = uc_emu_start(uc_, function.value, kReturn, 0, kLimit);
    if (error != UC_ERR_OK)
        result.error = fmt::format("{} at 0x{:x}", uc_strerror(error), get(registers.pc));
    else if (get(registers.pc) != kReturn)
        result.error = fmt::format("does not return: 0x{:x}", get(registers.pc));
    result.result = get(registers.result);
    result.buffer = read(Va{kBufferAt}, kBuffer);
    for (const auto& group : {registers.preserved, registers.vectors})
        for (const int id : group)
            result.preserved.push_back(get(id));
    result.preserved.push_back(get(registers.stack));
    current_ = nullptr;
    return result;
}

void EmulatedProcess::answer(std::uint64_t at) {
    const std::uint64_t offset = at - LoadedImage::kHost.value - PeBuilder::kPage;
    if (offset % 16 != 0 || offset / 16 >= std::size(kHostFunctions))
        return;
    const HostFunction& function = kHostFunctions[offset / 16];
    const Registers& registers = registers_of(machine_);
    std::string line = function.name;
    std::uint64_t hash = 0x9e3779b97f4a7c15 + current_->out.size();
    for (unsigned i = 0; i < function.arguments; ++i) {
        const std::uint64_t argument = get(registers.arguments[i]);
        if (!function.text) {
            line += fmt::format(" 0x{:x}", argument);
            hash = (hash ^ argument) * 0xff51afd7ed558ccd;
            continue;
        }
        line += ' ';
        char c = 0;
        for (std::uint64_t byte = argument; uc_mem_read(uc_, byte, &c, 1) == UC_ERR_OK && c != 0; ++byte) {
            line += c;
            hash = hash * 31 + static_cast<unsigned char>(c);
        }
    }
    current_->out.push_back(std::move(line));
    // What a callee may destroy holds something else afterwards.
    for (const int id : registers.arguments)
        set(id, ~hash);
    set(registers.result, hash >> 7);
}

void EmulatedProcess::on_host(uc_struct*, std::uint64_t at, std::uint32_t, void* user) {
    static_cast<EmulatedProcess*>(user)->answer(at);
}

void EmulatedProcess::on_code(uc_struct*, std::uint64_t at, std::uint32_t, void* user) {
    static_cast<EmulatedProcess*>(user)->executed_outside_.insert(at);
}

} // namespace suture::test
