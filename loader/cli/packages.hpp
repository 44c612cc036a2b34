#pragma once

#include "engine/package/reader.hpp"
#include "loader/cli/output.hpp"
#include "loader/trust/signature.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace suture::cli {

/// What makes a package acceptable: anchors, or that it need not be signed.
struct TrustOptions {
    std::vector<std::string> anchors;           ///< paths of certificates
    std::vector<std::string> timestamp_anchors; ///< paths of certificates; empty: those above
    std::vector<std::string> revocation_lists;  ///< paths
    bool allow_unsigned = false;
};

/// A package and the bytes it shows: verified, parsed and applied is what was read once.
struct LoadedPackage {
    std::string path;
    Bytes file;
    package::Package package;
    std::optional<trust::Signer> signer; ///< whose signature was verified; nothing with allow_unsigned

    bool is_signed() const { return package.certificates_size() != 0; }
};

/// Reads packages; a signature is verified before anything else of the package is looked at.
/// Errors: file_unreadable, trust_not_stated, trust_anchor_unreadable, revocation_list_unreadable, those of
/// trust::verify_signature and of package::Package::parse.
Result<std::vector<LoadedPackage>> load_packages(std::span<const std::string> paths, const TrustOptions& trust);

/// Where the package comes from, as one line: "fix.dll is signed by CN = publisher.\n"
std::string origin_text(const LoadedPackage& package);
/// {"path", "signed", "signer": {"subject", "issuer", "sha256", "stamped": text or null} or null}
Json origin_json(const LoadedPackage& package);

} // namespace suture::cli
