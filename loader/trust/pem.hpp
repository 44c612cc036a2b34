#pragma once

#include "engine/core/byte_view.hpp"

#include <string_view>

namespace suture::trust {

/// What the PEM blocks of this label hold (RFC 7468), in order; other blocks and text beside them are passed over.
/// Nothing where one of them is malformed.
std::optional<std::vector<Bytes>> parse_pem(ByteView file, std::string_view label);

} // namespace suture::trust
