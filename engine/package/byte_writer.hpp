#pragma once

#include "engine/core/byte_view.hpp"

#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace suture::package {

static_assert(std::endian::native == std::endian::little, "structures are copied as they lie in the file");

/// Appends little-endian values.
class ByteWriter {
  public:
    /// An integer or a packed struct.
    template <class T>
    requires std::is_trivially_copyable_v<T>
    void put(const T& value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        bytes_.insert(bytes_.end(), bytes, bytes + sizeof(T));
    }
    void put_bytes(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    /// Its length in bytes as 16 bits, then the text. At most 65535 bytes.
    void put_text(std::string_view text) {
        put(static_cast<std::uint16_t>(text.size()));
        bytes_.insert(bytes_.end(), text.begin(), text.end());
    }
    void pad_to(std::size_t size) {
        if (bytes_.size() < size)
            bytes_.resize(size);
    }
    void align(std::size_t alignment) { pad_to((bytes_.size() + alignment - 1) / alignment * alignment); }

    std::size_t size() const { return bytes_.size(); }
    Bytes take() { return std::move(bytes_); }

  private:
    Bytes bytes_;
};

} // namespace suture::package
