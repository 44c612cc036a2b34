#include "tests/support/emulator/emulated_process.hpp"

#include "engine/pe/imports.hpp"
#include "engine/pe/relocations.hpp"
#include "tests/support/pe_builder.hpp"

#include <fmt/format.h>
#include <unicorn/unicorn.h>

#include <algorithm>
#include <stdexcept>

namespace suture::test {

namespace {

constexpr Va kStack{0x10000000};
constexpr std::uint64_t kStackSize = 0x100000;
constexpr Va kBufferAt = EmulatedProcess::kBufferAt;
constexpr Va kThreadBlock{0x20100000}; ///< zeros, which x18 leads to
constexpr VaRange kOwn[] = {{kStack, kStackSize}, {kBufferAt, 0x1000}, {kThreadBlock, 0x2000}}; ///< of the thread
constexpr Va kHost{0x7ff700000000};
constexpr std::uint64_t kHostSpacing = 0x100000;
constexpr std::uint64_t kHostFunction = 16; ///< bytes
constexpr std::uint64_t kLimit = 4'000'000; ///< instructions of one call
constexpr std::string_view kHostDll = "host.dll";

/// Functions of host.dll, which tell what they are given. Those of other DLLs are known by name alone.
struct HostFunction {
    std::string_view name;
    unsigned arguments;
    bool text; ///< the argument is one
};
constexpr HostFunction kHostFunctions[] = {{"host_ask", 1, false}, {"host_note", 2, false}, {"host_text", 1, true}};

std::string name_of(const pe::ImportSlot& slot) {
    return slot.name.empty() ? fmt::format("#{}", slot.ordinal) : slot.name;
}

std::uint32_t bits_of(target::Protection protection) {
    switch (protection) {
    case target::Protection::read_execute:
        return UC_PROT_READ | UC_PROT_EXEC;
    case target::Protection::read_write:
        return UC_PROT_READ | UC_PROT_WRITE;
    case target::Protection::read:
        break;
    }
    return UC_PROT_READ;
}

bool aligned(VaRange range) {
    return range.begin.value % EmulatedProcess::kPage == 0 && range.size % EmulatedProcess::kPage == 0 &&
           range.size != 0;
}

} // namespace

struct EmulatedProcess::EmulatedPages : target::Staged {
    std::vector<target::Mapping> mappings;
};

class EmulatedProcess::EmulatedStop : public target::Stop {
  public:
    explicit EmulatedStop(EmulatedProcess& process) : process_(process), began_(process.now()) {
        if (process.in_call_)
            threads_.push_back(process.thread());
    }

    std::chrono::nanoseconds began() const override { return began_; }
    std::span<const target::ThreadState> threads() const override { return threads_; }
    Result<void> write_code(Va at, ByteView bytes) override {
        if (!process_.all_mapped({at, bytes.size()}))
            return fail(Code::target_write_failed, fmt::format("0x{:x}", at.value));
        process_.poke(at, bytes);
        return {};
    }
    Result<void> resume() override { return {}; }

  private:
    EmulatedProcess& process_;
    std::chrono::nanoseconds began_;
    std::vector<target::ThreadState> threads_;
};

EmulatedProcess::EmulatedProcess(Machine machine) : machine_(machine), processor_(processor_of(machine)) {
    uc_ = open_processor(machine);
    for (const VaRange& range : kOwn)
        expect_ok(uc_mem_map(uc_, range.begin.value, range.size, UC_PROT_READ | UC_PROT_WRITE), "map");
    for (const HostFunction& function : kHostFunctions)
        wanted_[std::string(kHostDll)].insert(std::string(function.name));
}

EmulatedProcess::~EmulatedProcess() {
    uc_close(uc_);
}

void EmulatedProcess::expect_ok(int error, std::string_view what) const {
    if (error != UC_ERR_OK)
        throw std::runtime_error(fmt::format("{}: {}", what, uc_strerror(static_cast<uc_err>(error))));
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

Bytes EmulatedProcess::peek(Va at, std::uint64_t size) const {
    Bytes bytes(size);
    expect_ok(uc_mem_read(uc_, at.value, bytes.data(), size), "peek");
    return bytes;
}

void EmulatedProcess::poke(Va at, ByteView bytes) {
    expect_ok(uc_mem_write(uc_, at.value, bytes.data(), bytes.size()), "poke");
    // What was translated of it would be run otherwise.
    uc_ctl_remove_cache(uc_, at.value & ~(kPage - 1), at.value + bytes.size());
}

std::map<Va, std::pair<target::Protection, Bytes>> EmulatedProcess::memory() const {
    std::map<Va, std::pair<target::Protection, Bytes>> memory;
    for (const auto& [at, protection] : pages_)
        memory.emplace(at, std::pair(protection, peek(at, kPage)));
    return memory;
}

bool EmulatedProcess::all_mapped(VaRange range) const {
    for (Va at{range.begin.value & ~(kPage - 1)}; at < range.end(); at = at + kPage)
        if (!pages_.contains(at))
            return false;
    return true;
}

void EmulatedProcess::add_hook(VaRange range, void (*function)(uc_struct*, std::uint64_t, std::uint32_t, void*)) {
    uc_hook hook = 0;
    expect_ok(uc_hook_add(uc_, &hook, UC_HOOK_CODE, reinterpret_cast<void*>(function), this, range.begin.value,
                          range.end().value - 1),
              "hook");
}

void EmulatedProcess::map_pages(VaRange range, target::Protection protection) {
    expect_ok(uc_mem_map(uc_, range.begin.value, range.size, bits_of(protection)), "map");
    for (std::uint64_t at = 0; at < range.size; at += kPage)
        pages_[range.begin + at] = protection;
}

void EmulatedProcess::map_image(std::string name, Va base, const Bytes& mapped, Bytes file) {
    const pe::Image image = *pe::Image::parse(mapped, pe::Layout::mapped);
    const VaRange whole{base, (mapped.size() + kPage - 1) / kPage * kPage};
    map_pages(whole, target::Protection::read);
    poke(base, mapped);
    for (const pe::Section& section : image.sections()) {
        const VaRange range{base + section.range.begin.value, (section.range.size + kPage - 1) / kPage * kPage};
        const auto protection = section.executable() ? target::Protection::read_execute
                                : section.writable() ? target::Protection::read_write
                                                     : target::Protection::read;
        if (range.size == 0)
            continue;
        expect_ok(uc_mem_protect(uc_, range.begin.value, range.size, bits_of(protection)), "protect");
        for (std::uint64_t at = 0; at < range.size; at += kPage)
            pages_[range.begin + at] = protection;
    }
    files_[name] = std::move(file);
    modules_.push_back({std::move(name), {base, mapped.size()}, {}});
}

void EmulatedProcess::provide(ByteView file) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    const auto slots = image ? pe::imports_of(*image) : std::unexpected(image.error());
    if (!slots)
        throw std::runtime_error(slots.error().message());
    for (const pe::ImportSlot& slot : *slots)
        wanted_[slot.dll].insert(name_of(slot));
}

void EmulatedProcess::make_host_modules() {
    for (const auto& [dll, functions] : wanted_) {
        const Va base = kHost + kHostSpacing * modules_.size();
        PeBuilder host;
        host.machine = machine_;
        Bytes code;
        std::vector<BuiltExport> exports;
        const Va text = base + host.rva_of_next().value;
        for (const std::string& name : functions) {
            const Va at = text + code.size();
            hosted_[{dll, name}] = at;
            names_[at] = dll == kHostDll ? name : dll + "!" + name;
            if (!name.starts_with('#'))
                exports.push_back({name, host.rva_of_next() + static_cast<std::uint32_t>(code.size()), ""});
            for (std::uint64_t i = 0; i < kHostFunction; i += sizeof processor_.ret)
                append(code, processor_.ret);
        }
        add_hook({text, std::max<std::uint64_t>(code.size(), 1)}, on_host);
        if (dll == kHostDll) {
            start_ = text + code.size();
            bottom_ = start_ + processor_.returns_at;
            code.insert(code.end(), processor_.start.begin(), processor_.start.end());
        }
        host.section(".text", PeBuilder::kCode, code);
        if (dll == kHostDll) {
            const Rva xdata = host.section(".xdata", PeBuilder::kReadOnly, processor_.unwind);
            Bytes entry;
            append(entry, static_cast<std::uint32_t>(start_ - base));
            if (machine_ == Machine::x64)
                append(entry, static_cast<std::uint32_t>(start_ - base + processor_.start.size()));
            append(entry, xdata.value);
            const Rva pdata = host.section(".pdata", PeBuilder::kReadOnly, entry);
            host.directory(pe::Directory::exceptions, {pdata, static_cast<std::uint32_t>(entry.size())});
        }
        host.exports(dll, exports);
        map_image(dll, base, host.mapped(base.value), host.file());
    }
}

void EmulatedProcess::load(std::string name, ByteView file, Va base) {
    provide(file);
    if (hosted_.empty())
        make_host_modules();
    const pe::Image image = *pe::Image::parse(file, pe::Layout::file);
    Bytes bytes(image.size_of_image());
    std::ranges::copy(*file.slice(0, image.size_of_headers()), bytes.begin());
    for (const pe::Section& section : image.sections())
        if (const auto content = image.content(section.range))
            std::ranges::copy(*content, bytes.begin() + section.range.begin.value);
    const auto relocations = *pe::relocations_of(image);
    for (const pe::Relocation& field : relocations)
        put(bytes, field.at.value,
            *ByteView(bytes).read<std::uint64_t>(field.at.value) + (base.value - image.image_base().value));
    const auto lfanew = *ByteView(bytes).read<std::uint32_t>(0x3c);
    put(bytes, lfanew + 24 + 24, base.value);
    const auto slots = *pe::imports_of(image);
    for (const pe::ImportSlot& slot : slots)
        put(bytes, slot.slot.value, hosted_.at({slot.dll, name_of(slot)}).value);
    map_image(std::move(name), base, bytes, file.copy());
}

void EmulatedProcess::begin_call(Va function, const Bytes& buffer, std::uint64_t a, std::uint64_t b) {
    current_ = {};
    in_call_ = true;
    for (const VaRange& range : kOwn)
        poke(range.begin, Bytes(range.size));
    poke(kBufferAt, buffer);
    // Nothing of an earlier call is left, whatever code looks for it.
    std::uint64_t some = 0x1111'2222'3333'0000;
    for (const int id : processor_.scratch)
        set(id, 0);
    for (const int id : processor_.general)
        set(id, ++some);
    for (const auto& group : {processor_.preserved, processor_.vectors})
        for (const int id : group)
            set(id, ++some);
    // As if the outermost function had called it.
    Va sp = kStack + kStackSize - processor_.unwound_bytes;
    if (machine_ == Machine::x64) {
        sp = sp - 16;
        Bytes address;
        append(address, bottom_.value);
        poke(sp, address);
    } else {
        set(UC_ARM64_REG_X30, bottom_.value);
        set(UC_ARM64_REG_X18, kThreadBlock.value);
    }
    set(processor_.stack, sp.value);
    set(processor_.arguments[0], kBufferAt.value);
    set(processor_.arguments[1], a);
    set(processor_.arguments[2], b);
    set(processor_.pc, function.value);
}

bool EmulatedProcess::run(std::uint64_t instructions) {
    const uc_err error =
        uc_emu_start(uc_, get(processor_.pc), bottom_.value, 0, instructions != 0 ? instructions : kLimit);
    const std::uint64_t pc = get(processor_.pc);
    if (error != UC_ERR_OK)
        current_.error = fmt::format("{} at 0x{:x}", uc_strerror(error), pc);
    else if (pc != bottom_.value && instructions == 0)
        current_.error = fmt::format("does not return: 0x{:x}", pc);
    return pc == bottom_.value || !current_.error.empty();
}

Call EmulatedProcess::end_call() {
    in_call_ = false;
    current_.result = get(processor_.result);
    current_.buffer = peek(kBufferAt, kBuffer);
    for (const auto& group : {processor_.preserved, processor_.vectors})
        for (const int id : group)
            current_.preserved.push_back(get(id));
    current_.preserved.push_back(get(processor_.stack));
    return std::move(current_);
}

Call EmulatedProcess::call(Va function, const Bytes& buffer, std::uint64_t a, std::uint64_t b) {
    begin_call(function, buffer, a, b);
    run();
    return end_call();
}

target::ThreadState EmulatedProcess::thread() const {
    target::ThreadState state;
    state.id = 1;
    state.ip = Va{get(processor_.pc)};
    state.sp = Va{get(processor_.stack)};
    for (std::size_t i = 0; i < processor_.general.size(); ++i)
        state.registers[i] = get(processor_.general[i]);
    state.stack = {kStack, kStackSize};
    return state;
}

void EmulatedProcess::watch(std::function<void(Va)> on_instruction) {
    if (!on_instruction_)
        expect_ok(
            [&] {
                uc_hook hook = 0;
                return uc_hook_add(uc_, &hook, UC_HOOK_CODE, reinterpret_cast<void*>(on_watched), this, 1, 0);
            }(),
            "hook");
    on_instruction_ = std::move(on_instruction);
}

void EmulatedProcess::answer(Va at) {
    const auto found = names_.find(at);
    if (found == names_.end())
        return;
    std::string line = found->second;
    std::uint64_t hash = 0x9e3779b97f4a7c15 + current_.out.size();
    const auto function = std::ranges::find(kHostFunctions, found->second, &HostFunction::name);
    for (unsigned i = 0; function != std::end(kHostFunctions) && i < function->arguments; ++i) {
        const std::uint64_t argument = get(processor_.arguments[i]);
        if (!function->text) {
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
    current_.out.push_back(std::move(line));
    // What a callee may destroy holds something else afterwards.
    for (const int id : processor_.arguments)
        set(id, ~hash);
    set(processor_.result, hash >> 7);
}

void EmulatedProcess::on_host(uc_struct*, std::uint64_t at, std::uint32_t, void* user) {
    static_cast<EmulatedProcess*>(user)->answer(Va{at});
}

void EmulatedProcess::on_outside(uc_struct*, std::uint64_t at, std::uint32_t, void* user) {
    static_cast<EmulatedProcess*>(user)->executed_outside_.insert(at);
}

void EmulatedProcess::on_watched(uc_struct*, std::uint64_t at, std::uint32_t, void* user) {
    auto& process = *static_cast<EmulatedProcess*>(user);
    if (process.machine_ == Machine::arm64)
        process.sign(Va{at});
    process.on_instruction_(Va{at});
}

void EmulatedProcess::sign(Va at) {
    constexpr std::uint64_t kSignature = std::uint64_t{0x2a} << 48;
    const std::uint32_t word = *ByteView(peek(at, 4)).read<std::uint32_t>(0);
    const std::uint64_t link = get(UC_ARM64_REG_X30);
    if (signs_)
        set(UC_ARM64_REG_X30, link | kSignature);
    signs_ = (word & ~0x40u) == 0xd503233f;                              // paciasp, pacibsp
    if ((word & ~0x40u) == 0xd50323bf || (word & ~0x400u) == 0xd65f0bff) // autiasp, autibsp; retaa, retab
        set(UC_ARM64_REG_X30, get(UC_ARM64_REG_X30) & ~kSignature);
}

Result<std::vector<target::Region>> EmulatedProcess::regions() {
    std::vector<target::Region> regions;
    for (const VaRange& range : kOwn)
        regions.push_back({range, true, true, false});
    for (const auto& [at, protection] : pages_) {
        const bool writable = protection == target::Protection::read_write;
        const bool executable = protection == target::Protection::read_execute;
        target::Region& last = regions.back();
        if (last.range.end() == at && last.writable == writable && last.executable == executable)
            last.range.size += kPage;
        else
            regions.push_back({{at, kPage}, true, writable, executable});
    }
    return regions;
}

Result<void> EmulatedProcess::read(Va at, std::span<std::uint8_t> into) {
    if (uc_mem_read(uc_, at.value, into.data(), into.size()) != UC_ERR_OK)
        return fail(Code::target_read_failed, fmt::format("{} bytes at 0x{:x}", into.size(), at.value));
    return {};
}

Result<void> EmulatedProcess::map(std::span<const target::Mapping> mappings) {
    for (const target::Mapping& mapping : mappings) {
        if (!aligned(mapping.range) || mapping.content.size() > mapping.range.size)
            return fail(Code::target_map_failed, "not whole pages");
        for (std::uint64_t at = 0; at < mapping.range.size; at += kPage)
            if (pages_.contains(mapping.range.begin + at))
                return fail(Code::target_map_failed, fmt::format("0x{:x} is taken", mapping.range.begin.value + at));
    }
    for (const target::Mapping& mapping : mappings) {
        map_pages(mapping.range, mapping.protection);
        poke(mapping.range.begin, mapping.content);
        for (std::uint64_t at = 0; at < mapping.range.size; at += kPage)
            made_.insert(mapping.range.begin + at);
        if (mapping.protection == target::Protection::read_execute)
            add_hook(mapping.range, on_outside);
    }
    return {};
}

Result<std::unique_ptr<target::Staged>> EmulatedProcess::stage(std::span<const target::Mapping> mappings) {
    auto staged = std::make_unique<EmulatedPages>();
    for (const target::Mapping& mapping : mappings) {
        if (!aligned(mapping.range) || mapping.content.size() > mapping.range.size)
            return fail(Code::target_map_failed, "not whole pages");
        staged->mappings.push_back(mapping);
    }
    return staged;
}

Result<void> EmulatedProcess::replace(target::Staged& staged) {
    for (const target::Mapping& mapping : dynamic_cast<EmulatedPages&>(staged).mappings) {
        if (!all_mapped(mapping.range))
            return fail(Code::target_map_failed, "not mapped");
        Bytes content = mapping.content;
        content.resize(mapping.range.size);
        poke(mapping.range.begin, content);
        expect_ok(uc_mem_protect(uc_, mapping.range.begin.value, mapping.range.size, bits_of(mapping.protection)),
                  "protect");
        for (std::uint64_t at = 0; at < mapping.range.size; at += kPage) {
            pages_[mapping.range.begin + at] = mapping.protection;
            made_.insert(mapping.range.begin + at);
        }
    }
    return {};
}

Result<void> EmulatedProcess::unmap(std::span<const VaRange> ranges) {
    for (const VaRange& range : ranges)
        if (!aligned(range) || !all_mapped(range))
            return fail(Code::target_map_failed, "not whole pages that are mapped");
    for (const VaRange& range : ranges) {
        uc_ctl_remove_cache(uc_, range.begin.value, range.end().value);
        expect_ok(uc_mem_unmap(uc_, range.begin.value, range.size), "unmap");
        for (std::uint64_t at = 0; at < range.size; at += kPage) {
            pages_.erase(range.begin + at);
            made_.erase(range.begin + at);
        }
    }
    return {};
}

Result<target::Remains> EmulatedProcess::remains() {
    target::Remains remains;
    for (const Va page : made_)
        remains.mapped.push_back({page, kPage});
    return remains;
}

Result<std::unique_ptr<target::Stop>> EmulatedProcess::stop() {
    return std::make_unique<EmulatedStop>(*this);
}

Result<Bytes> EmulatedProcess::module_file(const target::Module& module) {
    const auto file = files_.find(module.name);
    return file == files_.end() ? Target::module_file(module) : file->second;
}

void EmulatedProcess::wait(std::chrono::nanoseconds duration) {
    now_ += duration;
    const auto instructions = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    if (in_call_ && Va{get(processor_.pc)} != bottom_ && instructions > 0)
        run(static_cast<std::uint64_t>(instructions));
}

} // namespace suture::test
