#pragma once

#include "engine/isa/arm64/words.hpp"

#include <initializer_list>

namespace suture::isa::arm64::test {

/// The bytes of instruction words.
inline Bytes code(std::initializer_list<std::uint32_t> words) {
    Bytes bytes;
    for (const std::uint32_t word : words)
        append(bytes, word);
    return bytes;
}

} // namespace suture::isa::arm64::test
