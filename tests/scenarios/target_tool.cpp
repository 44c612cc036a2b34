// What scenarios need besides the product: looking at a process from outside and doing to it what others might do.
// Every command prints its result on standard output and exits with 0, or says on standard error what went wrong.
#include "engine/package/reader.hpp"
#include "engine/package/writer.hpp"
#include "engine/patch/ledger.hpp"
#include "engine/patch/snapshot.hpp"
#include "loader/linux/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

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
    for (unsigned i = 0; i < 8; ++i)
        jump.push_back(static_cast<std::uint8_t>(other.at(Rva{0x1000}).value >> 8 * i));
    poke(arguments[0], opened.at(package.manifest().functions.at(0).baseline), jump);
}

/// A sound package for the same module, but for Arm64.
void for_arm64(const Arguments& arguments) {
    const Bytes file = read_file(arguments.at(0));
    const auto package = need(package::Package::parse(file));
    package::Contents contents;
    contents.manifest = package.manifest();
    contents.manifest.machine = Machine::arm64;
    contents.manifest.baseline.machine = Machine::arm64;
    contents.manifest.functions.clear();
    contents.manifest.fixups.clear();
    contents.manifest.globals.clear();
    write_file(arguments.at(1), need(package::write_package(contents)));
}

void flip(const Arguments& arguments) {
    Bytes file = read_file(arguments.at(0));
    std::uint8_t& byte = file.at(number(arguments.at(1)));
    byte = static_cast<std::uint8_t>(byte ^ 1);
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
    {"for-arm64", for_arm64},
    {"flip", flip},
    {"flip-all", flip_all},
    {"hold", hold},
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
