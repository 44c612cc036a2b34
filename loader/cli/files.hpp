#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

#include <cstddef>
#include <filesystem>
#include <string>

namespace suture::cli {

/// Of UTF-8, as all texts of the command line are.
std::filesystem::path path_of(const std::string& path);

/// The bytes of a file as they are now; at most `limit` of them are taken. Error: file_unreadable, for more as well.
Result<Bytes> read_file(const std::string& path, std::size_t limit);

} // namespace suture::cli
