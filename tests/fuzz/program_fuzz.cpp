// Whole images as programs, with their own COFF symbols. What is read must hold together.

#include "patchgen/program/parse.hpp"

#include <algorithm>
#include <cstdlib>

namespace suture::program {
namespace {

/// Larger images take time and show nothing.
constexpr std::uint32_t kLargestImage = 16u << 20;

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check(const Program& program) {
    std::uint64_t end = 0;
    for (const auto& function : program.functions()) {
        require(function.range.begin.value >= end);
        end = function.range.end();
        require(program.function_at(function.range.begin) == &function);
        require(function.decoded == function.undecoded.empty());
        require(std::ranges::is_sorted(function.references));
        for (const auto& reference : function.references) {
            require(reference.offset + std::uint64_t{reference.size} <= function.range.size);
            require(reference.target.value < program.image().size_of_image());
        }
        const auto inner = program.inner_targets(function);
        require(inner.empty() || (inner.front() > 0 && inner.back() < function.range.size));
    }
    end = 0;
    for (const auto& object : program.data()) {
        require(object.range.begin.value >= end && object.range.size != 0);
        end = object.range.end();
        require(program.image().section_at(object.range.begin) != nullptr);
    }
    for (const auto& pad : program.pads())
        require(program.image().bytes_at(pad.begin, pad.size).has_value());
}

} // namespace
} // namespace suture::program

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace suture;
    const Bytes bytes(data, data + size);
    const auto image = pe::Image::parse(bytes, pe::Layout::file);
    if (image && image->size_of_image() > program::kLargestImage)
        return 0;
    for (const bool use_symbols : {true, false})
        if (const auto read = program::parse({.path = {}, .file = bytes, .symbols = {}, .use_symbols = use_symbols}))
            program::check(**read);
    return 0;
}
