// How fast a module is compared with its baseline, beside plain XXH3-128 over the same bytes.
#include "engine/pe/identity.hpp"

#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>

namespace {

using namespace suture;

const Bytes& image_file() {
    static const Bytes bytes = [] {
        std::ifstream file(SUTURE_SAMPLES "/cxx/clang/baseline/cxx.exe", std::ios::binary);
        return Bytes(std::istreambuf_iterator<char>(file), {});
    }();
    return bytes;
}

std::int64_t executable_bytes(const pe::Image& image) {
    std::int64_t size = 0;
    for (const pe::Section& section : image.sections())
        if (section.executable())
            size += section.range.size;
    return size;
}

void section_identities(benchmark::State& state) {
    const auto image = pe::Image::parse(image_file(), pe::Layout::file);
    if (!image) {
        state.SkipWithError("the sample image is missing: build the target `samples`");
        return;
    }
    const auto masked = pe::masked_fields_of(*image);
    for (auto _ : state)
        benchmark::DoNotOptimize(pe::section_identities_of(*image, *masked));
    state.SetBytesProcessed(state.iterations() * executable_bytes(*image));
}
BENCHMARK(section_identities);

void plain_xxh3(benchmark::State& state) {
    const auto image = pe::Image::parse(image_file(), pe::Layout::file);
    if (!image) {
        state.SkipWithError("the sample image is missing: build the target `samples`");
        return;
    }
    std::vector<ByteView> sections;
    for (const pe::Section& section : image->sections())
        if (section.executable())
            sections.push_back(*image->bytes_at(section.range.begin, section.initialised_size()));
    for (auto _ : state)
        for (const ByteView section : sections)
            benchmark::DoNotOptimize(digest_of(section));
    state.SetBytesProcessed(state.iterations() * executable_bytes(*image));
}
BENCHMARK(plain_xxh3);

} // namespace

BENCHMARK_MAIN();
