#pragma once

#include "engine/package/writer.hpp"

namespace suture::package {

/// Whether what a manifest says of the baseline keeps the rules of the format. Error: package_malformed.
Result<void> check_manifest(const Manifest& manifest);

/// Whether sections, tables and what the manifest says of them keep the rules of the format; check_manifest() must
/// have held. Error: package_malformed.
Result<void> check_contents(const Contents& contents);

/// What a section of this name is for, as IMAGE_SCN_*; nothing for a name that no section of a package may have.
std::optional<std::uint32_t> characteristics_of(std::string_view section);

} // namespace suture::package
