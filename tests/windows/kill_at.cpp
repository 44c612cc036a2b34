// An injector that ends itself, as TerminateProcess ends it, around one of the calls that change the process:
//
//   kill-at OPERATION PID PACKAGE NUMBER before|after
//   kill-at OPERATION PID PACKAGE MICROSECONDS running
//
// OPERATION is apply, rollback, remove or recover. Exit code: 9 where it was ended, 0 where the operation was done and
// had no such call any more, 1 where it failed.
#include "engine/package/reader.hpp"
#include "engine/patch/transaction.hpp"
#include "loader/host/process.hpp"
#include "loader/host/process_lock.hpp"
#include "loader/windows/watchdog.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using namespace suture;

constexpr UINT kEnded = 9;

template <class T>
T need(Result<T> result) {
    if (!result)
        throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>)
        return std::move(*result);
}

/// Counts the calls that change something, and ends this process at one of them.
class Fate {
  public:
    Fate(unsigned number, bool before) : number_(number), before_(before) {}

    template <class Call>
    auto around(Call call) {
        const bool now = ++count_ == number_;
        if (now && before_)
            ::TerminateProcess(::GetCurrentProcess(), kEnded);
        auto result = call();
        if (now)
            ::TerminateProcess(::GetCurrentProcess(), kEnded);
        return result;
    }

  private:
    unsigned number_;
    bool before_;
    unsigned count_ = 0;
};

class FatedStop final : public target::Stop {
  public:
    FatedStop(std::unique_ptr<target::Stop> stop, Fate& fate) : stop_(std::move(stop)), fate_(fate) {}

    std::chrono::nanoseconds began() const override { return stop_->began(); }
    std::span<const target::ThreadState> threads() const override { return stop_->threads(); }
    Result<void> write_code(Va at, ByteView bytes) override {
        return fate_.around([&] { return stop_->write_code(at, bytes); });
    }
    Result<void> resume() override {
        return fate_.around([&] { return stop_->resume(); });
    }

  private:
    std::unique_ptr<target::Stop> stop_;
    Fate& fate_;
};

class FatedTarget final : public target::Target {
  public:
    FatedTarget(std::unique_ptr<target::Target> target, Fate fate) : target_(std::move(target)), fate_(fate) {}

    std::uint64_t pid() const override { return target_->pid(); }
    Machine machine() const override { return target_->machine(); }
    std::uint64_t page_size() const override { return target_->page_size(); }
    Result<std::vector<target::Module>> modules() override { return target_->modules(); }
    Result<std::vector<target::Region>> regions() override { return target_->regions(); }
    Result<void> read(Va at, std::span<std::uint8_t> into) override { return target_->read(at, into); }
    Result<void> read(std::span<const target::Reading> readings) override { return target_->read(readings); }
    Result<void> map(std::span<const target::Mapping> mappings) override {
        return fate_.around([&] { return target_->map(mappings); });
    }
    Result<std::unique_ptr<target::Staged>> stage(std::span<const target::Mapping> mappings) override {
        return fate_.around([&] { return target_->stage(mappings); });
    }
    using Target::replace;
    Result<void> replace(target::Staged& staged) override {
        return fate_.around([&] { return target_->replace(staged); });
    }
    Result<void> unmap(std::span<const VaRange> ranges) override {
        return fate_.around([&] { return target_->unmap(ranges); });
    }
    bool registers_unwind() const override { return target_->registers_unwind(); }
    Result<void> register_unwind(const target::UnwindTable& table) override {
        return fate_.around([&] { return target_->register_unwind(table); });
    }
    Result<void> unregister_unwind(Va table) override {
        return fate_.around([&] { return target_->unregister_unwind(table); });
    }
    Result<void> allow_calls(std::span<const Va> targets) override {
        return fate_.around([&] { return target_->allow_calls(targets); });
    }
    Result<void> leave() override {
        return fate_.around([&] { return target_->leave(); });
    }
    Result<target::Remains> remains() override { return target_->remains(); }
    Result<void> tidy() override { return target_->tidy(); }
    Result<std::unique_ptr<target::Stop>> stop() override {
        return fate_.around([&]() -> Result<std::unique_ptr<target::Stop>> {
            SUTURE_TRY(auto stop, target_->stop());
            return std::make_unique<FatedStop>(std::move(stop), fate_);
        });
    }
    std::chrono::nanoseconds now() override { return target_->now(); }
    void wait(std::chrono::nanoseconds duration) override { target_->wait(duration); }

  private:
    std::unique_ptr<target::Target> target_;
    Fate fate_;
};

void operate(const std::string& operation, std::uint64_t pid, const std::string& path, unsigned number,
             const std::string& when) {
    std::ifstream file(path, std::ios::binary);
    const Bytes bytes(std::istreambuf_iterator<char>(file), {});
    const auto package = need(package::Package::parse(bytes));
    auto opened = need(loader::open_process(pid));
    const auto lock = need(loader::ProcessLock::take(pid));
    const bool running = when == "running";
    FatedTarget target(std::move(opened), Fate(running ? 0 : number, when == "before"));
    std::thread end([&] {
        if (running) {
            const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(number);
            while (std::chrono::steady_clock::now() < until)
                std::this_thread::yield();
            ::TerminateProcess(::GetCurrentProcess(), kEnded);
        }
    });
    end.detach();
    patch::Options options;
    options.timeout = std::chrono::seconds(20);
    const std::string& module = package.manifest().module;
    if (operation == "apply")
        need(patch::apply(target, {&package, 1}, options));
    else if (operation == "rollback")
        need(patch::rollback(target, module, std::nullopt, options));
    else if (operation == "remove")
        need(patch::remove(target, module, options));
    else if (operation == "recover")
        need(patch::recover(target, options));
    else
        throw std::runtime_error("no such operation");
}

} // namespace

int main(int argc, char** argv) {
    if (const auto code = loader::become_watchdog(argc, argv))
        return *code;
    if (argc != 6)
        return 2;
    try {
        operate(argv[1], std::stoull(argv[2]), argv[3], static_cast<unsigned>(std::stoul(argv[4])), argv[5]);
    } catch (const std::exception& error) {
        fmt::print(stderr, "kill-at: {}\n", error.what());
        return 1;
    }
    return 0;
}
