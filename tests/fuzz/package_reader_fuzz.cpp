// Package::parse on any bytes: as they are, and with digest and CheckSum put right, as whoever made the file could.

#include "engine/package/reader.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <cstdlib>

namespace suture::package {
namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void read(ByteView file) {
    const auto package = Package::parse(file);
    if (!package) {
        require(!package.error().message().empty());
        return;
    }
    const pe::Image& image = package->image();
    for (const pe::Section& section : image.sections())
        require(!section.writable() || !section.executable());
    for (const Replacement& function : package->manifest().functions) {
        const pe::Section* section = image.section_at(function.patch);
        require(section && section->executable() && image.bytes_at(function.patch, function.patch_size).has_value());
        require(function.entry_bytes.size() == function.site.original_size());
    }
    for (const Fixup& fixup : package->manifest().fixups)
        require(image.bytes_at(fixup.source, size_of(fixup.kind)).has_value());
    for (const pe::ImportSlot& import : package->imports())
        require(image.bytes_at(import.slot, 8).has_value());
    require(package->certificates_size() == 0 ||
            package->certificates().value + package->certificates_size() == file.size());
}

} // namespace
} // namespace suture::package

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::package::read({data, size});
    suture::Bytes sealed(data, data + size);
    suture::package::test::reseal(sealed);
    suture::package::read(sealed);
    return 0;
}
