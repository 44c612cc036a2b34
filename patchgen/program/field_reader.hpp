#pragma once

#include "engine/pe/image.hpp"

#include <cstdint>

namespace suture::program {

/// Most fields that are read of the exception data of one image: tables that many functions share are read anew for
/// each of them, and an image could have all its functions share all its tables.
constexpr std::uint64_t kMaxFields = std::uint64_t{1} << 27;

/// Reads fields of an image one after another; after the first that is not there, or that exceeds `left`, all are 0 and
/// `good` is false.
class FieldReader {
  public:
    FieldReader(const pe::Image& image, Rva at, std::uint64_t& left) : image_(image), at_(at), left_(left) {}

    template <class T>
    T take() {
        const auto value = image_.read<T>(at_);
        good = good && value.has_value() && left_ != 0;
        left_ -= left_ != 0 ? 1 : 0;
        at_ = at_ + std::uint32_t{sizeof(T)};
        return good ? *value : T{};
    }

    Rva rva() { return Rva{take<std::uint32_t>()}; }
    Rva at() const { return at_; }

    /// DWARF's LEB128: 7 bits to a byte, up to the one without the 8th.
    std::int64_t leb(bool is_signed) {
        std::uint64_t value = 0;
        std::uint8_t byte = 0x80;
        unsigned shift = 0;
        for (; good && (byte & 0x80) != 0 && shift < 63; shift += 7) {
            byte = take<std::uint8_t>();
            value |= std::uint64_t{byte & 0x7fu} << shift;
        }
        good = good && (byte & 0x80) == 0;
        if (is_signed && (byte & 0x40) != 0)
            value |= ~std::uint64_t{0} << shift;
        return static_cast<std::int64_t>(value);
    }

    /// A number of 1 to 5 bytes, whose lowest bits say how many.
    std::uint32_t number() {
        const auto first = take<std::uint8_t>();
        unsigned extra = 0;
        while (extra < 4 && (first >> extra & 1) != 0)
            ++extra;
        std::uint64_t value = first;
        for (unsigned i = 1; i <= extra; ++i)
            value |= std::uint64_t{take<std::uint8_t>()} << (8 * i);
        return static_cast<std::uint32_t>(extra == 4 ? value >> 8 : value >> (extra + 1));
    }

    bool good = true;

  private:
    const pe::Image& image_;
    Rva at_;
    std::uint64_t& left_;
};

} // namespace suture::program
