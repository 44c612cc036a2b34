// Functions per second in `patchgen create`: reading both images, comparing, emitting, proving.
#include "engine/package/writer.hpp"
#include "patchgen/diff/change_set.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/program/program.hpp"
#include "patchgen/prove/prove.hpp"

#include <benchmark/benchmark.h>

#include <string>

namespace {

using namespace suture;

std::string image(const std::string& sample, const std::string& version, const std::string& file) {
    return std::string(SUTURE_SAMPLES) + "/" + sample + "/clang/" + version + "/" + file;
}

void create(benchmark::State& state, const std::string& sample, const std::string& file, bool use_symbols) {
    std::int64_t functions = 0;
    std::int64_t package_bytes = 0;
    const program::Options options{{}, use_symbols};
    for (auto _ : state) {
        const auto baseline = program::Program::load(image(sample, "baseline", file), options);
        const auto updated = program::Program::load(image(sample, "updated", file), options);
        if (!baseline || !updated) {
            state.SkipWithError("the sample images are missing: build the target `samples`");
            return;
        }
        const auto changes = diff::compare(**baseline, **updated);
        const auto contents = emit::emit(**baseline, **updated, changes, {});
        if (!contents) {
            state.SkipWithError(contents.error().message().c_str());
            return;
        }
        const auto package = package::write_package(*contents);
        if (!package || !prove::prove(**baseline, **updated, *package)) {
            state.SkipWithError("the package is not proved");
            return;
        }
        functions += static_cast<std::int64_t>((*baseline)->functions().size() + (*updated)->functions().size());
        package_bytes = static_cast<std::int64_t>(package->size());
    }
    state.SetItemsProcessed(functions);
    state.counters["package_bytes"] = static_cast<double>(package_bytes);
}
BENCHMARK_CAPTURE(create, heartbeat, "heartbeat", "heartbeat.dll", true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(create, tally, "tally", "tally.exe", true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(create, cxx, "cxx", "cxx.exe", true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(create, heartbeat_no_symbols, "heartbeat", "heartbeat.dll", false)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
