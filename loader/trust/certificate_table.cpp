#include "loader/trust/certificate_table.hpp"

#include "loader/trust/der.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::trust {

namespace {

constexpr std::uint64_t kAlignment = 8;
constexpr std::uint16_t kRevision2 = 0x0200;
constexpr std::uint16_t kPkcsSignedData = 2;

/// WIN_CERTIFICATE up to bCertificate.
struct Header {
    std::uint32_t length; ///< bytes, this header included
    std::uint16_t revision;
    std::uint16_t type;
};
static_assert(sizeof(Header) == 8);

std::unexpected<Error> malformed(std::string detail) {
    return fail(Code::signature_malformed, std::move(detail));
}

/// What the digest covers must hold every byte that is mapped.
std::uint64_t end_of_image(const pe::Image& image) {
    std::uint64_t end = image.size_of_headers();
    for (const pe::Section& section : image.sections())
        if (section.raw_size != 0)
            end = std::max(end, section.raw.value + section.raw_size);
    return end;
}

/// Whether something with the shape of a certificate table follows the image, where the headers name none.
bool holds_table(const pe::Image& image) {
    const std::uint64_t begin = (end_of_image(image) + kAlignment - 1) / kAlignment * kAlignment;
    const auto header = image.bytes().read<Header>(begin);
    return header && header->length > sizeof(Header) && header->revision == kRevision2 &&
           header->type == kPkcsSignedData && image.bytes().contains(begin, header->length);
}

/// What follows the first certificate, from where the second would begin or before.
std::unexpected<Error> behind(ByteView rest) {
    const std::size_t padding = rest.size() % kAlignment;
    const auto header = rest.read<Header>(padding);
    if (header && header->length > sizeof(Header) && header->length <= rest.size() - padding)
        return fail(Code::several_signatures, "the certificate table holds more than one certificate");
    return fail(Code::data_after_signature, "in the certificate table");
}

} // namespace

Result<CertificateTable> find_certificate_table(const pe::Image& image) {
    const RvaRange entry = image.directory(pe::Directory::certificates);
    const std::uint64_t file_size = image.bytes().size();
    if (entry.size == 0)
        return holds_table(image)
                   ? fail(Code::signature_stripped, "the headers do not lead to the signature in the file")
                   : fail(Code::unsigned_package, "it has no certificate table");
    const std::uint64_t begin = entry.begin.value;
    if (begin % kAlignment != 0 || begin < end_of_image(image) || entry.end() > file_size)
        return malformed(fmt::format("the certificate table is bytes {} to {}, where the image ends at {} and the file "
                                     "at {}",
                                     begin, entry.end(), end_of_image(image), file_size));
    if (entry.end() != file_size)
        return fail(Code::data_after_signature, fmt::format("{} bytes", file_size - entry.end()));
    if (entry.size > kMaxCertificateTable)
        return malformed(fmt::format("the certificate table has {} bytes", entry.size));
    const ByteView table = *image.bytes().slice(begin, entry.size);
    const auto header = table.read<Header>(0);
    if (!header || header->length <= sizeof(Header) || header->length > table.size())
        return malformed("the certificate table does not hold a certificate");
    if (table.size() - header->length >= kAlignment)
        return behind(*table.from(header->length));
    if (header->revision != kRevision2 || header->type != kPkcsSignedData)
        return malformed(fmt::format("a certificate of revision 0x{:x} and type {}", header->revision, header->type));
    ByteView rest = *table.from(sizeof(Header));
    const auto pkcs7 = take_der(rest, DerTag::sequence);
    if (!pkcs7)
        return malformed("the certificate is no DER structure");
    if (rest.size() >= kAlignment || std::ranges::any_of(rest, [](std::uint8_t byte) { return byte != 0; }))
        return fail(Code::data_after_signature, "in the certificate table");
    return CertificateTable{{begin}, pkcs7->whole};
}

} // namespace suture::trust
