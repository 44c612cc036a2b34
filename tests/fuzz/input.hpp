#pragma once

#include "engine/core/byte_view.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace suture::fuzz {

/// What a harness demands of the code under test.
inline void require(bool condition) {
    if (!condition)
        std::abort();
}

/// Takes a fuzzer's input apart from the front; what is missing at its end is 0.
class Input {
  public:
    explicit Input(ByteView bytes) : rest_(bytes) {}

    template <class T>
    T number() {
        Bytes bytes = take(sizeof(T)).copy();
        bytes.resize(sizeof(T));
        return *ByteView(bytes).read<T>(0);
    }
    /// At most `size` bytes.
    ByteView take(std::size_t size) {
        const std::size_t taken = std::min(size, rest_.size());
        const ByteView result = *rest_.slice(0, taken);
        rest_ = *rest_.from(taken);
        return result;
    }
    ByteView rest() const { return rest_; }

  private:
    ByteView rest_;
};

} // namespace suture::fuzz
