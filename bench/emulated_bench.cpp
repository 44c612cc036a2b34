// What can be counted where nothing can be timed: instructions of a call, redirected and not, and operations on the
// process for an apply, a rollback and a removal. For both machines, in an emulator.
#include "engine/package/reader.hpp"
#include "engine/package/writer.hpp"
#include "engine/patch/transaction.hpp"
#include "patchgen/diff/change_set.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/program/program.hpp"
#include "tests/support/emulator/emulated_process.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace {

using namespace suture;

template <class T>
T need(Result<T> result) {
    if (!result)
        throw std::runtime_error(result.error().message());
    return std::move(*result);
}

/// Counts what is done to it.
class Counted : public test::EmulatedProcess {
  public:
    using EmulatedProcess::EmulatedProcess;

    unsigned maps = 0, replaced = 0, unmaps = 0, stops = 0, reads = 0;

    using EmulatedProcess::read;
    Result<void> read(Va at, std::span<std::uint8_t> into) override {
        ++reads;
        return EmulatedProcess::read(at, into);
    }
    Result<void> map(std::span<const target::Mapping> mappings) override {
        ++maps;
        return EmulatedProcess::map(mappings);
    }
    Result<std::unique_ptr<target::Staged>> stage(std::span<const target::Mapping> mappings) override {
        replaced += static_cast<unsigned>(mappings.size());
        return EmulatedProcess::stage(mappings);
    }
    Result<void> unmap(std::span<const VaRange> ranges) override {
        ++unmaps;
        return EmulatedProcess::unmap(ranges);
    }
    Result<std::unique_ptr<target::Stop>> stop() override {
        ++stops;
        return EmulatedProcess::stop();
    }

    void print(std::string_view what) {
        fmt::print("  {:<10}{:>4} stops {:>4} maps {:>4} mappings staged {:>4} unmaps {:>5} reads\n", what, stops, maps,
                   replaced, unmaps, reads);
        maps = replaced = unmaps = stops = reads = 0;
    }
    std::uint64_t instructions_of(Va function) {
        counted_ = 0;
        const test::Call call = this->call(function, Bytes(kBuffer), 3, 4);
        if (!call.error.empty())
            throw std::runtime_error(call.error);
        return counted_;
    }
    void count_instructions() {
        watch([this](Va) { ++counted_; });
    }

  private:
    std::uint64_t counted_ = 0;
};

void measure(std::string_view machine) {
    const auto path = [&](std::string_view version) {
        return fmt::format("{}/checksums-{}-O2/{}/checksums.dll", SUTURE_EXECUTION_PAIRS, machine, version);
    };
    const auto baseline = need(program::Program::load(path("baseline"), {}));
    const auto updated = need(program::Program::load(path("updated"), {}));
    const auto changes = diff::compare(*baseline, *updated);
    const Bytes bytes = need(package::write_package(need(emit::emit(*baseline, *updated, changes, {}))));
    const package::Package package = need(package::Package::parse(bytes));
    const package::Replacement& function = package.manifest().functions.front();

    Counted with_update(baseline->image().machine());
    with_update.load("checksums.dll", updated->file());
    with_update.count_instructions();
    const auto* counterpart = &changes.functions.front();
    for (const auto& emitted : changes.functions)
        if (emitted.baseline && emitted.baseline->range.begin == function.baseline)
            counterpart = &emitted;
    const Va base = test::EmulatedProcess::kBase;
    const std::uint64_t direct = with_update.instructions_of(base + counterpart->updated->range.begin.value);

    Counted process(baseline->image().machine());
    process.load("checksums.dll", baseline->file());
    process.count_instructions();
    const Va entry = base + function.baseline.value;
    const std::uint64_t before = process.instructions_of(entry);
    fmt::print("{}, {} functions\n", machine, package.manifest().functions.size());
    need(patch::apply(process, {&package, 1}, {}));
    process.print("apply");
    const std::uint64_t redirected = process.instructions_of(entry);
    need(patch::rollback(process, "checksums.dll", std::nullopt, {}));
    process.print("rollback");
    const std::uint64_t continued = process.instructions_of(entry);
    need(patch::apply(process, {&package, 1}, {}));
    process.print("again");
    need(patch::remove(process, "checksums.dll", {}));
    process.print("remove");
    fmt::print("  a redirected call takes {} instructions more, one that is rolled back {}\n",
               static_cast<std::int64_t>(redirected - direct), static_cast<std::int64_t>(continued - before));
}

} // namespace

int main() {
    measure("arm64");
    measure("x64");
    return 0;
}
