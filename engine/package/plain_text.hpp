#pragma once

#include <string_view>

namespace suture::package {

/// True if `text` is valid UTF-8 (RFC 3629: no overlong form, no surrogate) without control characters (U+0000 to
/// U+001F, U+007F to U+009F): what a package says can be printed in a terminal as it is.
bool is_plain_text(std::string_view text);

} // namespace suture::package
