#include "engine/pe/tls.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/pointer.hpp"
#include "engine/pe/raw/directories.hpp"

#include <fmt/format.h>

namespace suture::pe {

namespace {

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "TLS directory: " + std::move(detail)).at(at));
}

} // namespace

Result<TlsInfo> tls_of(const Image& image) {
    TlsInfo info;
    const RvaRange directory = image.directory(Directory::tls);
    if (directory.size == 0)
        return info;
    const auto table = image.read<raw::TlsDirectory64>(directory.begin);
    if (!table)
        return bad(directory.begin, "it is not inside one section");
    info.present = true;
    info.zero_fill = table->size_of_zero_fill;
    info.characteristics = table->characteristics;
    if (table->start_address_of_raw_data != 0) {
        const auto begin = rva_of(image, table->start_address_of_raw_data);
        const std::uint64_t size = table->end_address_of_raw_data - table->start_address_of_raw_data;
        if (!begin || size > image.size_of_image() - begin->value)
            return bad(directory.begin, "the data lie outside the image");
        info.data = {*begin, static_cast<std::uint32_t>(size)};
    }
    if (table->address_of_index != 0) {
        info.index = rva_of(image, table->address_of_index);
        if (!info.index || !image.in_one_section({*info.index, 4}))
            return bad(directory.begin, "the index lies outside the image");
    }
    if (table->address_of_callbacks == 0)
        return info;
    const auto list = rva_of(image, table->address_of_callbacks);
    if (!list)
        return bad(directory.begin, "the callbacks lie outside the image");
    for (std::uint32_t i = 0; i <= kMaxTlsCallbacks; ++i) {
        const Rva at = *list + i * 8;
        const auto pointer = image.read<std::uint64_t>(at);
        // The list may end with the zero fill of its section.
        if ((pointer && *pointer == 0) || (!pointer && image.is_zero_fill(at)))
            return info;
        const auto callback = pointer ? rva_of(image, *pointer) : std::nullopt;
        if (!callback)
            return bad(at, "a callback lies outside the image");
        info.callbacks.push_back(*callback);
    }
    return bad(*list, fmt::format("more than {} callbacks", kMaxTlsCallbacks));
}

} // namespace suture::pe
