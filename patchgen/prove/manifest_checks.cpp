#include "patchgen/prove/checks.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <thread>

namespace suture::prove {

Result<void> check_manifest(const program::Program& baseline, const package::Manifest& manifest) {
    const auto failed = [&](std::string detail) {
        return fail(Error(Code::proof_failed, std::move(detail)).in_image(baseline.path()));
    };
    const pe::Image& image = baseline.image();
    SUTURE_TRY(const auto header, pe::header_identity_of(image));
    if (manifest.machine != image.machine() || manifest.baseline != header)
        return failed("the package is for an image with other headers");
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> sha256{};
    std::array<std::uint8_t, SHA_DIGEST_LENGTH> sha1{};
    {
        const std::jthread other([&] { SHA1(baseline.file().data(), baseline.file().size(), sha1.data()); });
        SHA256(baseline.file().data(), baseline.file().size(), sha256.data());
    }
    if (manifest.baseline_sha256 != sha256 || manifest.baseline_sha1 != sha1)
        return failed("the package is for another file");
    SUTURE_TRY(const auto masked, pe::masked_fields_of(image));
    SUTURE_TRY(const auto sections, pe::section_identities_of(image, masked));
    if (manifest.sections != sections)
        return failed("the package is for an image with other code");
    for (const package::Replacement& function : manifest.functions) {
        const auto wrong = [&](std::string detail) {
            return fail(Error(Code::proof_failed, std::move(detail))
                            .in_image(baseline.path())
                            .at(function.baseline)
                            .in_function(function.name));
        };
        const program::Function* old = baseline.function_at(function.baseline);
        if (!old || old->range != RvaRange{function.baseline, function.baseline_size})
            return wrong(fmt::format("the baseline has no function of {} bytes there", function.baseline_size));
        SUTURE_TRY(const Digest digest, pe::masked_digest(image, old->range, masked));
        if (digest != function.baseline_digest)
            return wrong("the digest of the function is not that of the baseline's");
        if (!old->names.empty() && !std::ranges::count(old->names, function.name))
            return wrong(fmt::format("the function is called {}", old->display_name()));
    }
    return {};
}

} // namespace suture::prove
