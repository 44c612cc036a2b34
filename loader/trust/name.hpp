#pragma once

#include "engine/core/byte_view.hpp"

#include <string>

namespace suture::trust {

/// A distinguished name (RFC 5280, 4.1.2.4; DER) in one line, UTF-8, control characters and what is no text escaped as
/// \XX: "CN = publisher, O = Example".
std::string text_of_name(ByteView name);

} // namespace suture::trust
