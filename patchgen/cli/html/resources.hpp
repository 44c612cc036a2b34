#pragma once

#include <string_view>

namespace suture::cli {

/// The page's style and its code: what lies in the folder page beside this file, put here by the build.
std::string_view page_style();
std::string_view page_code();

} // namespace suture::cli
