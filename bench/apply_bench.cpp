// What applying costs a live process: the heartbeat service under Wine at 1, 8, 64 and 256 worker threads. Beside each
// figure stands the bare stop of the same process in the same run: all threads stopped, registers read, resumed.
#include "engine/package/writer.hpp"
#include "engine/patch/transaction.hpp"
#include "loader/host/process.hpp"
#include "patchgen/diff/change_set.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/program/program.hpp"
#include "tests/support/wine.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

namespace {

using namespace suture;
using Nanoseconds = std::chrono::nanoseconds;

const std::string kFolder = std::string(SUTURE_SAMPLES) + "/heartbeat/clang/";

const Bytes& package_file() {
    static const Bytes file = [] {
        const auto baseline = program::Program::load(kFolder + "baseline/heartbeat.dll", {});
        const auto updated = program::Program::load(kFolder + "updated/heartbeat.dll", {});
        if (!baseline || !updated)
            return Bytes{};
        const auto contents = emit::emit(**baseline, **updated, diff::compare(**baseline, **updated), {});
        return contents ? package::write_package(*contents).value_or(Bytes{}) : Bytes{};
    }();
    return file;
}

/// One service for each number of threads, for all benchmarks of this run.
test::WineProcess& service(int threads) {
    static std::map<int, std::unique_ptr<test::WineProcess>> services;
    auto& one = services[threads];
    if (!one) {
        test::WineOptions options;
        options.arguments = {"--threads", std::to_string(threads)};
        options.ready = "listening on";
        one = std::make_unique<test::WineProcess>(kFolder + "baseline/heartbeat.exe", options);
    }
    return *one;
}

double micros(Nanoseconds time) {
    return static_cast<double>(time.count()) / 1000.0;
}

double median(std::vector<double> values) {
    if (values.empty())
        return 0;
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// Applies, rolls back and removes; each iteration also stops the process once with nothing to do. Time is that of the
/// pause. Without consistency no stack is looked at, but the sites, which displace a prologue, are still written in a
/// stop.
void apply(benchmark::State& state, patch::Consistency consistency) {
    patch::Options options;
    options.consistency = consistency;
    const auto package = package::Package::parse(package_file());
    auto& process = service(static_cast<int>(state.range(0)));
    const auto target = loader::open_process(static_cast<std::uint64_t>(process.pid()));
    if (!package || !target) {
        state.SkipWithError(package ? target.error().message().c_str() : "no package: build the target `samples`");
        return;
    }
    std::vector<double> bare, prepare, pause, commit, rollback;
    for (auto _ : state) {
        (*target)->wait(std::chrono::milliseconds(2));
        auto stop = (*target)->stop();
        if (!stop || !(*stop)->resume()) {
            state.SkipWithError("the process cannot be stopped");
            return;
        }
        bare.push_back(micros((*target)->now() - (*stop)->began()));
        const auto applied = patch::apply(**target, {&*package, 1}, options);
        const auto back = applied ? patch::rollback(**target, "heartbeat.dll", std::nullopt, options) : applied;
        const auto removed = back ? patch::remove(**target, "heartbeat.dll", options) : back;
        if (!removed) {
            state.SkipWithError(removed.error().message().c_str());
            return;
        }
        prepare.push_back(micros(applied->prepare));
        pause.push_back(micros(applied->pause));
        commit.push_back(micros(applied->commit));
        rollback.push_back(micros(back->pause));
        state.SetIterationTime(micros(applied->pause) / 1e6);
    }
    state.counters["bare_stop_us"] = median(bare);
    state.counters["pause_us"] = median(pause);
    state.counters["pause_ratio"] = median(pause) / median(bare);
    state.counters["commit_us"] = median(commit);
    state.counters["prepare_us"] = median(prepare);
    state.counters["rollback_pause_us"] = median(rollback);
}
BENCHMARK_CAPTURE(apply, quiescent, patch::Consistency::quiescent)
    ->Arg(1)
    ->Arg(8)
    ->Arg(64)
    ->Arg(256)
    ->Iterations(50)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(apply, none, patch::Consistency::none)
    ->Arg(1)
    ->Arg(8)
    ->Arg(64)
    ->Arg(256)
    ->Iterations(50)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

} // namespace

BENCHMARK_MAIN();
