#include "loader/trust/image_digest.hpp"

#include "loader/trust/openssl.hpp"

namespace suture::trust {

Result<Bytes> image_digest(const pe::Image& image, FileOffset certificates, const EVP_MD* algorithm) {
    const std::uint64_t checksum = image.checksum_offset().value;
    const std::uint64_t entry = image.directory_offset(pe::Directory::certificates).value;
    const auto before = image.bytes().slice(0, checksum);
    const auto between = image.bytes().slice(checksum + 4, entry - (checksum + 4));
    const auto behind = image.bytes().slice(entry + 8, certificates.value - (entry + 8));
    if (!before || !between || !behind)
        return fail(Code::signature_malformed, "the certificate table lies among the headers");
    const std::unique_ptr<EVP_MD_CTX, Freeing<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
    Bytes digest(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    bool done = context && EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1;
    for (const ByteView part : {*before, *between, *behind})
        done = done && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    if (!done || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1)
        return fail(Code::signature_malformed, "the image's digest cannot be computed: " + openssl_reason());
    digest.resize(size);
    return digest;
}

} // namespace suture::trust
