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

} // namespace

Result<CertificateTable> find_certificate_table(const pe::Image& image) {
    const RvaRange entry = image.directory(pe::Directory::certificates);
    if (entry.size == 0)
        return fail(Code::unsigned_package, "it has no certificate table");
    const std::uint64_t begin = entry.begin.value;
    const std::uint64_t file_size = image.bytes().size();
    if (begin % kAlignment != 0 || begin < end_of_image(image) || entry.end() != file_size)
        return malformed(fmt::format("the certificate table is bytes {} to {}, where the image ends at {} and the file "
                                     "at {}",
                                     begin, entry.end(), end_of_image(image), file_size));
    if (entry.size > kMaxCertificateTable)
        return malformed(fmt::format("the certificate table has {} bytes", entry.size));
    const ByteView table = *image.bytes().slice(begin, entry.size);
    const auto header = table.read<Header>(0);
    if (!header || header->length <= sizeof(Header) || header->length > table.size() ||
        table.size() - header->length >= kAlignment)
        return malformed("the certificate table does not hold exactly one certificate");
    if (header->revision != kRevision2 || header->type != kPkcsSignedData)
        return malformed(fmt::format("a certificate of revision 0x{:x} and type {}", header->revision, header->type));
    ByteView rest = *table.from(sizeof(Header));
    const auto pkcs7 = take_der(rest, DerTag::sequence);
    if (!pkcs7)
        return malformed("the certificate is no DER structure");
    if (rest.size() >= kAlignment || std::ranges::any_of(rest, [](std::uint8_t byte) { return byte != 0; }))
        return malformed("something follows the signature in the certificate table");
    return CertificateTable{{begin}, pkcs7->whole};
}

} // namespace suture::trust
