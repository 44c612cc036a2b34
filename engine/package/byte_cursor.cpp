#include "engine/package/byte_cursor.hpp"

#include <fmt/format.h>

namespace suture::package {

Result<std::string> ByteCursor::take_text() {
    SUTURE_TRY(const auto size, take<std::uint16_t>());
    SUTURE_TRY(const ByteView text, take_bytes(size));
    return std::string(text.begin(), text.end());
}

std::unexpected<Error> ByteCursor::ended(std::size_t wanted) const {
    return fail(Code::package_malformed, fmt::format("a table ends {} bytes before it should", wanted - rest_.size()));
}

} // namespace suture::package
