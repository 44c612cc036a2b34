#pragma once

#include <string>
#include <string_view>

namespace suture::cli {

/// From UTF-8, and to it. What is none, or none of UTF-16, becomes U+FFFD.
std::wstring wide(std::string_view text);
std::string utf8(std::wstring_view text);

} // namespace suture::cli
