#include "loader/cli/packages.hpp"

#include "engine/package/limits.hpp"
#include "loader/cli/files.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace suture::cli {

namespace {

Result<std::optional<trust::TrustAnchor>> load_anchor(const TrustOptions& options) {
    if (options.anchor.empty()) {
        if (!options.allow_unsigned)
            return fail(Code::trust_not_stated, "neither --trust nor --allow-unsigned is given");
        return std::nullopt;
    }
    SUTURE_TRY(const Bytes file, read_file(options.anchor, trust::kMaxAnchorFile));
    auto anchor = trust::TrustAnchor::parse(file);
    if (!anchor)
        return fail(std::move(anchor).error().in_image(options.anchor));
    spdlog::debug("trust anchor {}: {}", options.anchor, anchor->subject());
    return std::move(*anchor);
}

Result<LoadedPackage> load(const std::string& path, const std::optional<trust::TrustAnchor>& anchor) {
    SUTURE_TRY(Bytes file, read_file(path, package::kMaxFileSize));
    std::optional<trust::Signer> signer;
    if (anchor) {
        auto verified = trust::verify_signature(file, *anchor);
        if (!verified)
            return fail(std::move(verified).error().in_image(path));
        signer = std::move(*verified);
    }
    auto package = package::Package::parse(file);
    if (!package)
        return fail(std::move(package).error().in_image(path));
    spdlog::debug("{}: {} bytes, digest {}, sequence {} for {}", path, file.size(), package->digest().hex(),
                  package->manifest().sequence, package->manifest().module);
    return LoadedPackage{path, std::move(file), std::move(*package), std::move(signer)};
}

} // namespace

Result<std::vector<LoadedPackage>> load_packages(std::span<const std::string> paths, const TrustOptions& trust) {
    SUTURE_TRY(const auto anchor, load_anchor(trust));
    std::vector<LoadedPackage> packages;
    for (const std::string& path : paths) {
        SUTURE_TRY(auto package, load(path, anchor));
        packages.push_back(std::move(package));
    }
    return packages;
}

std::string origin_text(const LoadedPackage& package) {
    if (package.signer)
        return fmt::format("{} is signed by {}.\n", package.path, package.signer->subject);
    return fmt::format("{} is {}; nothing says that its publisher is who you think (--allow-unsigned).\n", package.path,
                       package.is_signed() ? "signed, and the signature was not verified" : "not signed");
}

Json origin_json(const LoadedPackage& package) {
    Json signer = nullptr;
    if (package.signer)
        signer = {{"subject", package.signer->subject},
                  {"issuer", package.signer->issuer},
                  {"sha256", fmt::format("{:02x}", fmt::join(package.signer->certificate, ""))}};
    return {{"path", package.path}, {"signed", package.is_signed()}, {"signer", std::move(signer)}};
}

} // namespace suture::cli
