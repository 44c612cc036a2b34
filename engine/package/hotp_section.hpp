#pragma once

#include "engine/package/hot_patch_base.hpp"
#include "engine/package/hot_patch_hashes.hpp"
#include "engine/package/hot_patch_info.hpp"
#include "engine/package/hotp_header.hpp"
#include "engine/package/package.hpp"
#include "engine/pe/raw/load_config.hpp"

#include <cstddef>

namespace suture::package {

/// Where the structures of `.hotp` lie, in bytes from its start: what has a fixed size stands first.
inline constexpr std::uint32_t kDigestAt = offsetof(HotpHeader, digest);
inline constexpr std::uint32_t kLoadConfigAt = sizeof(HotpHeader);
inline constexpr std::uint32_t kInfoAt = kLoadConfigAt + sizeof(pe::raw::LoadConfigDirectory64);
inline constexpr std::uint32_t kBaseListAt = kInfoAt + sizeof(HotPatchInfo);
inline constexpr std::uint32_t kBaseAt = kBaseListAt + sizeof(std::uint32_t);
inline constexpr std::uint32_t kHashesAt = kBaseAt + sizeof(HotPatchBase);
inline constexpr std::uint32_t kPatchTableAt = kHashesAt + sizeof(HotPatchHashes);

/// The content of `.hotp` at `at`, with zeros for the digest. The manifest must keep the rules of the format.
Bytes encode_hotp(const Manifest& manifest, Rva at);

/// What the structures of `.hotp` say; nothing of it is checked but that it can be read. That each structure also
/// says what the others imply shows when the result is encoded again. Error: package_malformed.
Result<Manifest> decode_hotp(ByteView hotp, Machine machine);

} // namespace suture::package
