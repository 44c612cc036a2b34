// What a redirected call costs beside one that is not: each kind of site, through site, stub and cell, and the way back
// to the baseline through the continuation. The functions are real code of this host, redirected by the engine's
// encoders. Chains of nothing but jumps, each in a page of its own, show what this host takes for the jumps alone.
#include "engine/isa/isa.hpp"
#include "engine/patch/block.hpp"

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace {

using namespace suture;

/// A page of code with one function in it, a stub page and a cell page behind it, and a page for a continuation and a
/// replacement.
class Redirected {
  public:
    Redirected(const Bytes& function, isa::Site site, bool to_replacement) {
        memory_ = static_cast<std::uint8_t*>(
            mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (memory_ == MAP_FAILED)
            throw std::runtime_error("mmap failed");
        std::fill_n(memory_, patch::kPage, std::uint8_t{0xcc});
        std::ranges::copy(function, memory_ + kEntry);
        std::ranges::copy(function, memory_ + kReplacement);
        redirect(function, site, to_replacement);
        protect();
    }
    /// The function behind `jumps` direct jumps, at most 3.
    explicit Redirected(const Bytes& function, std::size_t jumps = 0) {
        memory_ = static_cast<std::uint8_t*>(
            mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (memory_ == MAP_FAILED)
            throw std::runtime_error("mmap failed");
        // Not at the same place in their pages.
        const auto place = [](std::size_t i) { return i * (patch::kPage + 0x48) + kEntry; };
        for (std::size_t i = 0; i < jumps; ++i) {
            const auto distance = static_cast<std::int32_t>(place(i + 1) - place(i) - 5);
            memory_[place(i)] = 0xe9;
            std::memcpy(memory_ + place(i) + 1, &distance, sizeof(distance));
        }
        std::ranges::copy(function, memory_ + place(jumps));
        protect();
    }
    ~Redirected() { munmap(memory_, kSize); }
    Redirected(const Redirected&) = delete;
    Redirected& operator=(const Redirected&) = delete;

    auto entry() const { return reinterpret_cast<std::uint64_t (*)(std::uint64_t)>(memory_ + kEntry); }

    static constexpr std::uint32_t kEntry = 0x140;

  private:
    static constexpr std::size_t kSize = 4 * patch::kPage;
    /// Not at the same place in its page as the rest: predictors of branches look at the lower bits of addresses.
    static constexpr std::size_t kStub = patch::kPage + 4 * isa::Isa::kStubSize;
    static constexpr std::size_t kContinuation = 3 * patch::kPage;
    static constexpr std::size_t kReplacement = 3 * patch::kPage + 0x1c0;

    Va at(std::size_t offset) const { return Va{reinterpret_cast<std::uint64_t>(memory_) + offset}; }

    template <class T>
    T need(Result<T> result) {
        if (!result)
            throw std::runtime_error(result.error().message());
        return std::move(*result);
    }

    void redirect(const Bytes& function, const isa::Site& site, bool to_replacement) {
        const isa::Isa& isa = *isa::isa_for(Machine::x64);
        const Bytes stub = need(isa.encode_stub(at(kStub), at(kStub + patch::kPage)));
        std::ranges::copy(stub, memory_ + kStub);
        const ByteView displaced = *ByteView(function).slice(0, site.displaced);
        Va continuation = at(kEntry + site.displaced);
        if (!isa.is_no_op(displaced)) {
            const Bytes code = need(isa.encode_continuation(displaced, at(kEntry), at(kContinuation)));
            std::ranges::copy(code, memory_ + kContinuation);
            continuation = at(kContinuation);
        }
        const std::uint64_t cell = to_replacement ? at(kReplacement).value : continuation.value;
        std::memcpy(memory_ + kStub + patch::kPage, &cell, sizeof(cell));
        for (const isa::CodeWrite& write : need(isa.encode_site(site, at(0), at(kStub), at(kStub + patch::kPage))))
            std::ranges::copy(write.bytes, memory_ + write.at.value);
    }

    void protect() {
        if (mprotect(memory_, kSize, PROT_READ | PROT_EXEC) != 0)
            throw std::runtime_error("mprotect failed");
    }

    std::uint8_t* memory_ = nullptr;
};

constexpr Rva kEntry{Redirected::kEntry};

// lea rax, [rdi + 1] ; nop dword [rax] ; ret: 4 bytes, 4 bytes, 1 byte
const Bytes kLong = {0x48, 0x8d, 0x47, 0x01, 0x0f, 0x1f, 0x40, 0x00, 0xc3};
// xchg ax, ax ; lea rax, [rdi + 1] ; ret: as compiled for hotpatching
const Bytes kHotpatch = {0x66, 0x90, 0x48, 0x8d, 0x47, 0x01, 0xc3};
// mov eax, edi ; ret: three bytes
const Bytes kShort = {0x89, 0xf8, 0xc3};

void run(benchmark::State& state, const Redirected& code) {
    std::uint64_t value = 0;
    const auto function = code.entry();
    for (auto _ : state)
        value = function(value);
    benchmark::DoNotOptimize(value);
}

void unpatched(benchmark::State& state) {
    run(state, Redirected(kLong));
}
void jumps(benchmark::State& state) {
    run(state, Redirected(kLong, static_cast<std::size_t>(state.range(0))));
}
void redirected(benchmark::State& state, const Bytes& function, const isa::Site& site, bool to_replacement) {
    run(state, Redirected(function, site, to_replacement));
}

const isa::Site kPadded{isa::SiteKind::x64_padded, kEntry, 2, kEntry - 5, 2};
const isa::Site kPaddedNarrow{isa::SiteKind::x64_padded, kEntry, 2, kEntry - 5, 4};
const isa::Site kPaddedWide{isa::SiteKind::x64_padded, kEntry, 2, kEntry - 6, 4, 6};
const isa::Site kCaveNarrow{isa::SiteKind::x64_cave, kEntry, 2, kEntry + 0x40, 4};
const isa::Site kCaveWide{isa::SiteKind::x64_cave, kEntry, 2, kEntry + 0x40, 4, 6};
const isa::Site kPrologue{isa::SiteKind::x64_prologue, kEntry, 6, {}, 8};
const isa::Site kPrologueNarrow{isa::SiteKind::x64_prologue, kEntry, 5, {}, 8};
const isa::Site kTail{isa::SiteKind::x64_tail, kEntry, 6, {}, 3};
const isa::Site kTailNarrow{isa::SiteKind::x64_tail, kEntry, 5, {}, 3};

/// Each figure is the least of many short runs: what else the machine does only adds to them.
void least_of_many(benchmark::internal::Benchmark* benchmark) {
    benchmark->MinTime(0.01)->Repetitions(50)->ReportAggregatesOnly()->ComputeStatistics(
        "least", [](const std::vector<double>& times) { return std::ranges::min(times); });
}

BENCHMARK(unpatched)->Apply(least_of_many);
BENCHMARK(jumps)->Arg(1)->Arg(2)->Arg(3)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_padded, kLong, kPaddedWide, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_padded_of_5, kLong, kPaddedNarrow, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_cave, kLong, kCaveWide, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_cave_of_5, kLong, kCaveNarrow, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_prologue, kLong, kPrologue, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_prologue_of_5, kLong, kPrologueNarrow, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_tail, kShort, kTail, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, x64_tail_of_5, kShort, kTailNarrow, true)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, rolled_back_no_op, kHotpatch, kPadded, false)->Apply(least_of_many);
BENCHMARK_CAPTURE(redirected, rolled_back_continuation, kLong, kPrologue, false)->Apply(least_of_many);

} // namespace

BENCHMARK_MAIN();
