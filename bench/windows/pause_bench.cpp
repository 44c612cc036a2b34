// How long a service stands still while a package is applied and removed, beside the least that stopping it takes:
// NtSuspendProcess, the registers of every thread, NtResumeProcess. Both in turn, on the same process. The least of all
// rounds (at 0 %) is what other work on the machine disturbs least.
//
//   pause_bench SERVICE PACKAGE [ROUNDS]
//
// SERVICE: the baseline of the sample, which is started with as many threads as each line tells.
#include "engine/package/reader.hpp"
#include "engine/patch/transaction.hpp"
#include "loader/host/process.hpp"
#include "loader/windows/nt.hpp"
#include "loader/windows/watchdog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace suture;
using loader::Handle;
using Clock = std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

template <class T>
T need(Result<T> result) {
    if (!result)
        throw std::runtime_error(result.error().message());
    return std::move(*result);
}

class Service {
  public:
    Service(const std::string& program, unsigned threads) {
        const auto port = std::filesystem::temp_directory_path() / fmt::format("port-{}", ::GetCurrentProcessId());
        std::filesystem::remove(port);
        std::string words = fmt::format("\"{}\" --port-file \"{}\" --threads {}", program, port.string(), threads);
        STARTUPINFOA startup{};
        startup.cb = sizeof startup;
        PROCESS_INFORMATION started{};
        if (!::CreateProcessA(nullptr, words.data(), nullptr, nullptr, FALSE, 0, nullptr, nullptr, &startup, &started))
            throw std::runtime_error("cannot start " + program);
        process_ = Handle(started.hProcess);
        const Handle thread(started.hThread);
        std::error_code error;
        while (std::filesystem::file_size(port, error) == 0 || error)
            if (::WaitForSingleObject(process_.get(), 20) != WAIT_TIMEOUT)
                throw std::runtime_error(program + " ended");
        std::filesystem::remove(port, error);
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() {
        ::TerminateProcess(process_.get(), 0);
        ::WaitForSingleObject(process_.get(), INFINITE);
    }
    HANDLE handle() const { return process_.get(); }

  private:
    Handle process_;
};

struct Bare {
    Micros took;
    unsigned threads;
};

Bare bare_stop(HANDLE process) {
    const auto began = Clock::now();
    unsigned threads = 0;
    loader::NtSuspendProcess(process);
    Handle thread;
    for (HANDLE next = nullptr; loader::succeeded(loader::NtGetNextThread(
             process, thread.get(), THREAD_GET_CONTEXT | THREAD_QUERY_INFORMATION, 0, 0, &next));) {
        thread = Handle(next);
        alignas(16) CONTEXT context{};
        context.ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER;
        threads += ::GetThreadContext(thread.get(), &context) != 0;
    }
    loader::NtResumeProcess(process);
    return {Clock::now() - began, threads};
}

double at(std::vector<double> values, double share) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

void measure(const std::string& program, const package::Package& package, unsigned threads, unsigned rounds) {
    const Service service(program, threads);
    const auto target = need(loader::open_process(::GetProcessId(service.handle())));
    patch::Options options;
    options.timeout = std::chrono::seconds(30);
    std::vector<double> bare;
    std::vector<double> apply;
    std::vector<double> remove;
    unsigned seen = 0;
    for (unsigned i = 0; i < rounds; ++i) {
        const auto stop = [&] {
            const Bare one = bare_stop(service.handle());
            bare.push_back(one.took.count());
            seen = one.threads;
        };
        stop();
        apply.push_back(Micros(need(patch::apply(*target, {&package, 1}, options)).pause).count());
        stop();
        remove.push_back(Micros(need(patch::remove(*target, package.manifest().module, options)).pause).count());
    }
    for (const double share : {0.0, 0.5, 0.9})
        fmt::print("{:>3} threads ({} in all), at {:.0f} %: bare {:.0f} us, apply {:.0f} us ({:.2f} x), remove {:.0f} "
                   "us ({:.2f} x)\n",
                   threads, seen, share * 100, at(bare, share), at(apply, share), at(apply, share) / at(bare, share),
                   at(remove, share), at(remove, share) / at(bare, share));
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    if (const auto code = loader::become_watchdog(argc, argv))
        return *code;
    if (argc < 3)
        return 2;
    try {
        std::ifstream file(argv[2], std::ios::binary);
        const Bytes bytes(std::istreambuf_iterator<char>(file), {});
        const auto package = need(package::Package::parse(bytes));
        for (const unsigned threads : {1u, 8u, 64u})
            measure(argv[1], package, threads, argc > 3 ? static_cast<unsigned>(std::stoul(argv[3])) : 30);
    } catch (const std::exception& error) {
        fmt::print(stderr, "pause_bench: {}\n", error.what());
        return 1;
    }
    return 0;
}
