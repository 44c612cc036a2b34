#include "loader/trust/image_digest.hpp"

#include "loader/trust/system.hpp"

namespace suture::trust {

Result<Bytes> image_digest(const pe::Image& image, FileOffset certificates, Digest algorithm) {
    const std::uint64_t checksum = image.checksum_offset().value;
    const std::uint64_t entry = image.directory_offset(pe::Directory::certificates).value;
    const auto before = image.bytes().slice(0, checksum);
    const auto between = image.bytes().slice(checksum + 4, entry - (checksum + 4));
    const auto behind = image.bytes().slice(entry + 8, certificates.value - (entry + 8));
    if (!before || !between || !behind)
        return fail(Code::signature_malformed, "the certificate table lies among the headers");
    return system::digest(algorithm, std::array{*before, *between, *behind});
}

} // namespace suture::trust
