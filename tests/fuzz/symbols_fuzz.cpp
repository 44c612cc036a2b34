// An image and a file with its symbols: 4 bytes with the size of the image, the image, the symbols (a PDB or an image).

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

void read(ByteView input) {
    const auto size = input.read<std::uint32_t>(0);
    const auto file = size ? input.slice(4, *size) : std::nullopt;
    if (!file)
        return;
    const auto image = pe::Image::parse(*file, pe::Layout::file);
    if (!image || image->size_of_image() > kLargestImage)
        return;
    const auto program =
        parse({.path = {}, .file = file->copy(), .symbols = input.from(4 + std::uint64_t{*size})->copy()});
    if (!program)
        return require(!program.error().message().empty());
    for (const auto& function : (*program)->functions())
        require(std::ranges::is_sorted(function.names));
    for (const auto& object : (*program)->data())
        require(std::ranges::is_sorted(object.names));
}

} // namespace
} // namespace suture::program

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::program::read({data, size});
    return 0;
}
