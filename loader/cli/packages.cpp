#include "loader/cli/packages.hpp"

#include "engine/package/limits.hpp"
#include "loader/cli/files.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>

namespace suture::cli {

namespace {

Result<std::vector<trust::TrustAnchor>> load_anchors(const std::vector<std::string>& paths) {
    std::vector<trust::TrustAnchor> anchors;
    for (const std::string& path : paths) {
        SUTURE_TRY(const Bytes file, read_file(path, trust::kMaxAnchorFile));
        auto anchor = trust::TrustAnchor::parse(file);
        if (!anchor)
            return fail(std::move(anchor).error().in_image(path));
        spdlog::debug("trust anchor {}: {}", path, anchor->subject());
        anchors.push_back(std::move(*anchor));
    }
    return anchors;
}

/// Nothing where packages need not be signed.
Result<std::optional<trust::TrustPolicy>> load_policy(const TrustOptions& options) {
    if (options.anchors.empty()) {
        if (!options.allow_unsigned)
            return fail(Code::trust_not_stated, "neither --trust nor --allow-unsigned is given");
        return std::nullopt;
    }
    trust::TrustPolicy policy;
    SUTURE_TRY(policy.anchors, load_anchors(options.anchors));
    SUTURE_TRY(policy.timestamp_anchors, load_anchors(options.timestamp_anchors));
    for (const std::string& path : options.revocation_lists) {
        SUTURE_TRY(const Bytes file, read_file(path, trust::kMaxRevocationFile));
        auto lists = trust::RevocationList::parse(file);
        if (!lists)
            return fail(std::move(lists).error().in_image(path));
        std::ranges::move(*lists, std::back_inserter(policy.revocation_lists));
    }
    return policy;
}

Result<LoadedPackage> load(const std::string& path, const std::optional<trust::TrustPolicy>& policy) {
    SUTURE_TRY(Bytes file, read_file(path, package::kMaxFileSize));
    std::optional<trust::Signer> signer;
    if (policy) {
        auto verified = trust::verify_signature(file, *policy);
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
    SUTURE_TRY(const auto policy, load_policy(trust));
    std::vector<LoadedPackage> packages;
    for (const std::string& path : paths) {
        SUTURE_TRY(auto package, load(path, policy));
        packages.push_back(std::move(package));
    }
    return packages;
}

std::string origin_text(const LoadedPackage& package) {
    if (package.signer)
        return fmt::format("{} is signed by {}{}.\n", package.path, package.signer->subject,
                           package.signer->stamped ? ", time-stamped " + trust::text_of(*package.signer->stamped) : "");
    return fmt::format("{} is {}; nothing says that its publisher is who you think (--allow-unsigned).\n", package.path,
                       package.is_signed() ? "signed, and the signature was not verified" : "not signed");
}

Json origin_json(const LoadedPackage& package) {
    Json signer = nullptr;
    if (package.signer) {
        signer = {{"subject", package.signer->subject},
                  {"issuer", package.signer->issuer},
                  {"sha256", fmt::format("{:02x}", fmt::join(package.signer->certificate, ""))},
                  {"stamped", nullptr}};
        if (package.signer->stamped)
            signer["stamped"] = trust::text_of(*package.signer->stamped);
    }
    return {{"path", package.path}, {"signed", package.is_signed()}, {"signer", std::move(signer)}};
}

} // namespace suture::cli
