#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

#include <string>
#include <type_traits>

namespace suture::package {

/// Takes little-endian values off the front of untrusted bytes.
class ByteCursor {
  public:
    explicit ByteCursor(ByteView bytes) : rest_(bytes) {}

    /// An integer or a packed struct. Error: package_malformed, where the bytes end before it does.
    template <class T>
    requires std::is_trivially_copyable_v<T> Result<T> take() {
        const auto value = rest_.read<T>(0);
        if (!value)
            return ended(sizeof(T));
        rest_ = *rest_.from(sizeof(T));
        return *value;
    }
    /// Error: package_malformed.
    Result<ByteView> take_bytes(std::size_t size) {
        const auto bytes = rest_.slice(0, size);
        if (!bytes)
            return ended(size);
        rest_ = *rest_.from(size);
        return *bytes;
    }
    /// A text with its length in bytes as 16 bits before it. Error: package_malformed.
    Result<std::string> take_text();

    std::size_t left() const { return rest_.size(); }

  private:
    std::unexpected<Error> ended(std::size_t wanted) const;

    ByteView rest_;
};

} // namespace suture::package
