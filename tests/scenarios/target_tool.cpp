// What scenarios need besides the product: looking at a process from outside and doing to it what others might do.
// Every command prints its result on standard output and exits with 0, or says on standard error what went wrong.
#include "engine/isa/isa.hpp"
#include "engine/package/file_digest.hpp"
#include "engine/package/hotp_section.hpp"
#include "engine/package/reader.hpp"
#include "engine/package/writer.hpp"
#include "engine/patch/ledger.hpp"
#include "engine/patch/snapshot.hpp"
#include "engine/patch/transaction.hpp"
#include "engine/pe/checksum.hpp"
#include "loader/host/process.hpp"
#include "loader/host/process_lock.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/memory.hpp"
#include "loader/linux/wine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace {

using namespace suture;

using Arguments = std::vector<std::string>;

template <class T>
T need(Result<T> result) {
    if (!result)
        throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>)
        return std::move(*result);
}

Bytes read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error("cannot read " + path);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

void write_file(const std::string& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw std::runtime_error("cannot write " + path);
}

std::uint64_t number(const std::string& text) {
    return std::stoull(text, nullptr, 0);
}

/// As another program would write into the process: past all protections.
void poke(const std::string& pid, Va at, const Bytes& bytes) {
    const int memory = ::open(("/proc/" + pid + "/mem").c_str(), O_WRONLY);
    const auto size = static_cast<ssize_t>(bytes.size());
    const bool written =
        memory >= 0 && ::pwrite(memory, bytes.data(), bytes.size(), static_cast<off_t>(at.value)) == size;
    ::close(memory);
    if (!written)
        throw std::runtime_error(fmt::format("cannot write {} bytes at 0x{:x}", bytes.size(), at.value));
}

struct Opened {
    std::unique_ptr<target::Target> target;
    target::Module module;

    Opened(const std::string& pid, const std::string& name)
        : target(need(loader::open_process(number(pid)))), module(need(target::find_module(*target, name))) {}
    Va at(Rva rva) const { return module.range.begin + rva.value; }
};

/// Range, protection and XXH3-128 of everything that the process may read but not write.
void digest(const Arguments& arguments) {
    std::ifstream maps("/proc/" + arguments.at(0) + "/maps");
    std::ifstream memory("/proc/" + arguments.at(0) + "/mem", std::ios::binary);
    if (!maps || !memory)
        throw std::runtime_error("cannot look at process " + arguments.at(0));
    // Neighbours of one protection may be one mapping or two: that is no difference.
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::string protection;
    Bytes content;
    const auto flush = [&] {
        if (end > begin)
            fmt::print("{:x}-{:x} {} {}\n", begin, end, protection, digest_of(content).hex());
        content.clear();
        begin = end = 0;
    };
    for (std::string line; std::getline(maps, line);) {
        if (line.find("[v") != std::string::npos) // vvar, vdso, vsyscall
            continue;
        // Comes when the first thread of a process ends, by the C library: one of suture.exe's calls is one.
        if (line.find("/libgcc_s.so") != std::string::npos)
            continue;
        std::istringstream fields(line);
        std::string rights;
        std::uint64_t from = 0;
        std::uint64_t to = 0;
        char dash = 0;
        fields >> std::hex >> from >> dash >> to >> rights;
        constexpr std::uint64_t kSharedUserData = 0x7ffe'0000; // holds the clock of Windows
        if (rights[0] != 'r' || rights[1] != '-' || from == kSharedUserData)
            continue;
        if (from != end || rights.substr(0, 3) != protection) {
            flush();
            begin = from;
            protection = rights.substr(0, 3);
        }
        end = to;
        const std::size_t had = content.size();
        content.resize(had + (to - from));
        memory.clear();
        memory.seekg(static_cast<std::streamoff>(from));
        memory.read(reinterpret_cast<char*>(content.data() + had), static_cast<std::streamsize>(to - from));
    }
    flush();
}

void poke_module(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < arguments.at(3).size(); i += 2)
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(arguments[3].substr(i, 2), nullptr, 16)));
    poke(arguments[0], opened.at(Rva{static_cast<std::uint32_t>(number(arguments.at(2)))}), bytes);
}

void first_site(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    const patch::Ledger ledger = need(patch::ledger_of(*opened.target, arguments[1]));
    fmt::print("0x{:x}\n", ledger.functions.at(0).site.entry.value);
}

void spoil_byte(const Arguments& arguments, const Opened& opened, Rva at) {
    const Bytes before = need(target::read_bytes(*opened.target, opened.at(at), 1));
    poke(arguments[0], opened.at(at), {static_cast<std::uint8_t>(before[0] ^ 1)});
    fmt::print("RVA 0x{:x}\n", at.value);
}

/// Changes a byte amid the last function that the package does not replace.
void spoil(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    const Bytes file = read_file(arguments.at(2));
    const auto package = need(package::Package::parse(file));
    const auto snapshot = need(patch::Snapshot::take(*opened.target, opened.module));
    auto functions = need(pe::runtime_functions_of(snapshot->image()));
    std::ranges::reverse(functions);
    for (const pe::RuntimeFunction& function : functions) {
        const bool replaced = std::ranges::any_of(package.manifest().functions, [&](const auto& one) {
            return function.range.overlaps({one.baseline, one.baseline_size});
        });
        if (!replaced && function.range.size >= 4)
            return spoil_byte(arguments, opened, function.range.begin + function.range.size / 2);
    }
    throw std::runtime_error("every function is replaced");
}

/// Changes the last byte of the first function that the package replaces.
void spoil_replaced(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    const Bytes file = read_file(arguments.at(2));
    const auto package = need(package::Package::parse(file));
    const auto& function = package.manifest().functions.at(0);
    spoil_byte(arguments, opened, function.baseline + (function.baseline_size - 1));
}

/// Puts a jump into another module over the entry of the first function that the package replaces.
void detour(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    const Opened other(arguments[0], arguments.at(3));
    const Bytes file = read_file(arguments.at(2));
    const auto package = need(package::Package::parse(file));
    Bytes jump = {0xff, 0x25, 0, 0, 0, 0}; // jmp [rip]
    if (package.manifest().machine == Machine::arm64)
        jump = {0x50, 0, 0, 0x58, 0, 0x02, 0x1f, 0xd6}; // ldr x16, [pc+8]; br x16
    for (unsigned i = 0; i < 8; ++i)
        jump.push_back(static_cast<std::uint8_t>(other.at(Rva{0x1000}).value >> 8 * i));
    poke(arguments[0], opened.at(package.manifest().functions.at(0).baseline), jump);
}

/// A sound package for the module of another one, which replaces nothing.
package::Contents hollow(const package::Package& package) {
    package::Contents contents;
    contents.manifest = package.manifest();
    contents.manifest.functions.clear();
    contents.manifest.retired.clear();
    contents.manifest.fixups.clear();
    contents.manifest.globals.clear();
    return contents;
}

void for_another_machine(package::Contents& contents, const package::Package& package) {
    const Machine other = package.manifest().machine == Machine::x64 ? Machine::arm64 : Machine::x64;
    contents.manifest.machine = other;
    contents.manifest.baseline.machine = other;
}

/// Builds upon a version that nobody applied.
void upon_another(package::Contents& contents, const package::Package&) {
    contents.manifest.sequence = 9;
    contents.manifest.min_sequence = 7;
}

void with_an_import(package::Contents& contents, const package::Package&) {
    contents.imports = package::build_import_table({{"absent.dll", "nothing", 0}}, package::kFirstSection);
    const Bytes& bytes = contents.imports->bytes;
    contents.sections.push_back({".rdata", package::kFirstSection, bytes, static_cast<std::uint32_t>(bytes.size())});
}

/// Two fields that reach to both ends of what a displacement can say: one of them is too far from anywhere.
void far_apart(package::Contents& contents, const package::Package&) {
    contents.sections.push_back({".text", package::kFirstSection, Bytes(8, 0xcc), 8});
    for (const bool low : {false, true})
        contents.manifest.fixups.push_back(
            {package::FixupKind::rel32, package::kFirstSection + (low ? 4 : 0), Rva{0}, low ? INT32_MIN : INT32_MAX});
}

/// Splits the last of the instructions that a site displaces, or has a pad lie where its kind does not.
void with_a_wrong_site(package::Contents& contents, const package::Package& package) {
    const auto& functions = package.manifest().functions;
    const auto found = std::ranges::find_if(functions, [](const package::Replacement& one) {
        return one.site.displaced > one.site.entry_size || one.site.uses_pad();
    });
    if (found == functions.end())
        throw std::runtime_error("no site can be made wrong");
    package::Replacement function = *found;
    if (function.site.displaced > function.site.entry_size) {
        --function.site.displaced;
        function.entry_bytes.resize(function.site.original_size());
    } else {
        function.site.kind =
            function.site.kind == isa::SiteKind::x64_padded ? isa::SiteKind::x64_cave : isa::SiteKind::x64_padded;
    }
    contents.sections.push_back({".text", package::kFirstSection, Bytes{0xc3}, 1});
    function.patch = package::kFirstSection;
    function.patch_size = 1;
    contents.manifest.functions = {function};
}

/// One more version with a long name, of which the sequence is given as a third argument.
void with_a_long_id(package::Contents& contents, const package::Package&) {
    contents.manifest.id = std::string(1000, 'x');
}

const std::map<std::string, void (*)(package::Contents&, const package::Package&)> kCrafts = {
    {"machine", for_another_machine}, {"upon-another", upon_another},    {"import", with_an_import},
    {"far-apart", far_apart},         {"wrong-site", with_a_wrong_site}, {"long-id", with_a_long_id},
};

/// A package that no patchgen would make, from one that it made: craft KIND PACKAGE OUTPUT [SEQUENCE].
void craft(const Arguments& arguments) {
    const Bytes file = read_file(arguments.at(1));
    const auto package = need(package::Package::parse(file));
    package::Contents contents = hollow(package);
    kCrafts.at(arguments.at(0))(contents, package);
    if (arguments.size() > 3)
        contents.manifest.sequence = static_cast<std::uint32_t>(number(arguments[3]));
    write_file(arguments.at(2), need(package::write_package(contents)));
}

/// Cells and ledger are sealed: only other pages can take their place.
void replace_committed(const Opened& opened, const patch::Ledger& ledger, Bytes bytes) {
    need(opened.target->replace({ledger.block.committed(), std::move(bytes), target::Protection::read}));
}

/// Leaves the ledger of a module as an injector does that dies while it prepares.
void cut_off(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    patch::Ledger ledger = need(patch::ledger_of(*opened.target, arguments[1]));
    ledger.phase = patch::Phase::preparing;
    ledger.active = 0;
    replace_committed(opened, ledger, need(patch::committed_bytes(ledger)));
}

void spoil_ledger(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    const patch::Ledger ledger = need(patch::ledger_of(*opened.target, arguments[1]));
    Bytes bytes = need(patch::committed_bytes(ledger));
    bytes[static_cast<std::size_t>(ledger.block.cells().size) + 8] ^= 0xee;
    replace_committed(opened, ledger, std::move(bytes));
}

/// Maps something wherever there is room within reach of a branch.
void crowd(const Arguments& arguments) {
    const Opened opened(arguments.at(0), arguments.at(1));
    const std::uint64_t reach = isa::isa_for(opened.target->machine())->reach();
    constexpr std::uint64_t kGranularity = 0x10000;
    const std::uint64_t middle = opened.module.range.begin.value;
    std::uint64_t at = middle > reach ? middle - reach : kGranularity;
    const std::uint64_t end = opened.module.range.end().value + reach;
    auto regions = need(opened.target->regions());
    regions.push_back({{Va{end}, 0}, false, false, false});
    std::vector<target::Mapping> mappings;
    for (const target::Region& region : regions) {
        const std::uint64_t begin = std::min(region.range.begin.value, end);
        if (begin > at)
            mappings.push_back({{Va{at}, begin - at}, {}, target::Protection::read});
        at = std::max(at, region.range.end().value);
    }
    for (const target::Mapping& mapping : mappings)
        if (auto mapped = opened.target->map({&mapping, 1}); !mapped && mapping.range.size >= kGranularity)
            need(std::move(mapped));
}

/// Keeps others from working on a process, as a suture at work does, until killed.
void lock(const Arguments& arguments) {
    const auto held = need(loader::ProcessLock::take(number(arguments.at(0))));
    fmt::print("held\n");
    std::fflush(stdout);
    ::pause();
}

void flip(const Arguments& arguments) {
    Bytes file = read_file(arguments.at(0));
    std::uint8_t& byte = file.at(number(arguments.at(1)));
    byte = static_cast<std::uint8_t>(byte ^ 1);
    write_file(arguments.at(2), file);
}

/// Changes a byte of a package as one does who can make the digest anew: reseal PACKAGE OFFSET OUTPUT.
void reseal(const Arguments& arguments) {
    Bytes file = read_file(arguments.at(0));
    need(package::Package::parse(file));
    std::uint8_t& byte = file.at(number(arguments.at(1)));
    byte = static_cast<std::uint8_t>(byte ^ 1);
    const auto image = need(pe::Image::parse(file, pe::Layout::file));
    const package::DigestHoles holes{image.checksum_offset(), image.directory_offset(pe::Directory::certificates),
                                     image.sections().back().raw + package::kDigestAt};
    const Digest digest = package::file_digest(file, holes);
    std::ranges::copy(digest.bytes, file.begin() + static_cast<std::ptrdiff_t>(holes.digest.value));
    const std::uint32_t checksum = pe::checksum_of(file, holes.checksum);
    std::memcpy(file.data() + holes.checksum.value, &checksum, sizeof checksum);
    write_file(arguments.at(2), file);
}

/// Every byte of a package, changed in each of three ways, must be refused by the reader.
void flip_all(const Arguments& arguments) {
    const Bytes file = read_file(arguments.at(0));
    need(package::Package::parse(file));
    for (std::size_t i = 0; i < file.size(); ++i)
        for (const std::uint8_t change : Bytes{0x01, 0x80, 0xff}) {
            Bytes damaged = file;
            damaged[i] = static_cast<std::uint8_t>(damaged[i] ^ change);
            if (package::Package::parse(damaged))
                throw std::runtime_error(fmt::format("byte {} changed by {:02x} is accepted", i, change));
        }
    fmt::print("{} bytes, 3 changes each, all refused\n", file.size());
}

double micros(std::chrono::nanoseconds time) {
    return static_cast<double>(time.count()) / 1000;
}

/// Applies a package and rolls it back, again and again, and removes it:
/// cycle PACKAGE PID CYCLES [MILLISECONDS [none]]. A cycle begins so many milliseconds after the last one, or at once.
void cycle(const Arguments& arguments) {
    const Bytes file = read_file(arguments.at(0));
    const auto package = need(package::Package::parse(file));
    const std::string& module = package.manifest().module;
    const auto target = need(loader::open_process(number(arguments.at(1))));
    const auto cycles = number(arguments.at(2));
    patch::Options options;
    options.timeout = std::chrono::minutes(1);
    const std::chrono::milliseconds interval(arguments.size() > 3 ? number(arguments[3]) : 0);
    if (arguments.size() > 4 && arguments[4] == "none")
        options.consistency = patch::Consistency::none;
    auto next = std::chrono::steady_clock::now();
    std::uint64_t attempts = 0;
    std::vector<double> pauses;
    for (std::uint64_t i = 0; i < cycles; ++i) {
        std::this_thread::sleep_until(next);
        next = std::max(next + interval, std::chrono::steady_clock::now());
        const auto applied = need(patch::apply(*target, {&package, 1}, options));
        std::this_thread::sleep_for(interval / 2);
        // Every tenth time all of it goes, so that sites are written anew.
        const auto back = i % 10 == 9 ? need(patch::remove(*target, module, options))
                                      : need(patch::rollback(*target, module, std::nullopt, options));
        attempts += applied.attempts + back.attempts;
        pauses.push_back(micros(applied.pause));
        pauses.push_back(micros(back.pause));
    }
    if (cycles % 10 != 0)
        need(patch::remove(*target, module, options));
    std::ranges::sort(pauses);
    fmt::print("{} cycles, {} stops, pause {:.0f} us at the median and {:.0f} us at 99 %\n", cycles, attempts,
               pauses.at(pauses.size() / 2), pauses.at(pauses.size() * 99 / 100));
}

/// The PID by which Windows programs know a Wine process.
void windows_pid(const Arguments& arguments) {
    const std::uint64_t pid = number(arguments.at(0));
    const auto memory = need(loader::Memory::open(pid));
    fmt::print("{}\n", need(loader::find_wine_process(memory, need(loader::read_maps(pid)))).windows_pid);
}

/// Traces a process, as a debugger does, until killed.
void hold(const Arguments& arguments) {
    if (::ptrace(PTRACE_SEIZE, static_cast<pid_t>(number(arguments.at(0))), nullptr, nullptr) != 0)
        throw std::runtime_error("cannot trace process " + arguments[0]);
    fmt::print("held\n");
    std::fflush(stdout);
    ::pause();
}

const std::map<std::string, void (*)(const Arguments&)> kCommands = {
    {"digest", digest},
    {"poke", poke_module},
    {"first-site", first_site},
    {"spoil", spoil},
    {"spoil-replaced", spoil_replaced},
    {"detour", detour},
    {"craft", craft},
    {"cut-off", cut_off},
    {"spoil-ledger", spoil_ledger},
    {"crowd", crowd},
    {"lock", lock},
    {"flip", flip},
    {"flip-all", flip_all},
    {"reseal", reseal},
    {"cycle", cycle},
    {"hold", hold},
    {"windows-pid", windows_pid},
};

} // namespace

int main(int argc, char** argv) {
    const Arguments arguments(argv + std::min(argc, 2), argv + argc);
    const auto command = kCommands.find(argc > 1 ? argv[1] : "");
    if (command == kCommands.end()) {
        fmt::print(stderr, "target-tool: no such command\n");
        return 2;
    }
    try {
        command->second(arguments);
    } catch (const std::exception& error) {
        fmt::print(stderr, "target-tool {}: {}\n", argv[1], error.what());
        return 1;
    }
    return 0;
}
