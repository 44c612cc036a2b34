#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace suture::cli {

/// `text` as it can be shown: names come from images and symbol files, in whatever encoding. What is no UTF-8, a
/// control character, or a character that reorders or hides what stands around it, becomes an escape: "\x1b", "\u202e".
std::string plain(std::string_view text);

/// As plain(), with "..." for what goes beyond `most` bytes: names can be as long as a file.
std::string plain_cut(std::string_view text, std::size_t most = 160);

} // namespace suture::cli
