#include "loader/cli/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace suture::cli {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

std::unexpected<Error> unreadable(const std::string& path, std::string detail) {
    return fail(Error(Code::file_unreadable, std::move(detail)).in_image(path));
}

} // namespace

std::filesystem::path path_of(const std::string& path) {
    return std::u8string(path.begin(), path.end());
}

// Piece by piece: what is no ordinary file has no size to go by, and a file may grow.
Result<Bytes> read_file(const std::string& path, std::size_t limit) {
    errno = 0;
    std::ifstream file(path_of(path), std::ios::binary);
    if (!file)
        return unreadable(path, std::strerror(errno));
    Bytes bytes;
    for (;;) {
        const std::size_t before = bytes.size();
        const std::size_t wanted = std::min(kPiece, limit + 1 - before);
        bytes.resize(before + wanted);
        errno = 0;
        file.read(reinterpret_cast<char*>(bytes.data() + before), static_cast<std::streamsize>(wanted));
        bytes.resize(before + static_cast<std::size_t>(file.gcount()));
        if (file.bad() || (file.fail() && !file.eof()) || errno != 0)
            return unreadable(path, errno != 0 ? std::strerror(errno) : "it cannot be read to its end");
        if (bytes.size() > limit)
            return unreadable(path, fmt::format("it has more than {} bytes", limit));
        if (file.eof())
            return bytes;
    }
}

} // namespace suture::cli
