#include "engine/pe/checksum.hpp"

#include <algorithm>

namespace suture::pe {

namespace {

constexpr std::uint64_t kFieldSize = 4;

std::uint64_t sum_of_words(ByteView bytes) {
    std::uint64_t sum = 0;
    std::size_t at = 0;
    // A 32-bit word counts as its two halves: 2^16 is 1 in ones' complement of 16 bits.
    for (; at + sizeof(std::uint32_t) <= bytes.size(); at += sizeof(std::uint32_t)) {
        std::uint32_t word;
        std::memcpy(&word, bytes.data() + at, sizeof(word));
        sum += word;
    }
    for (unsigned shift = 0; at < bytes.size(); ++at, shift += 8)
        sum += std::uint64_t{bytes[at]} << shift;
    return sum;
}

} // namespace

std::uint32_t checksum_of(ByteView file, FileOffset checksum_field) {
    std::uint64_t sum = sum_of_words(file);
    // The sum has room for 2^32 words, so taking the field out again cannot go below zero.
    const std::uint64_t first = std::min<std::uint64_t>(checksum_field.value, file.size());
    const std::uint64_t last = std::min<std::uint64_t>(first + kFieldSize, file.size());
    for (std::uint64_t at = first; at < last; ++at)
        sum -= std::uint64_t{file[static_cast<std::size_t>(at)]} << (at % sizeof(std::uint32_t) * 8);
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<std::uint32_t>(sum + file.size());
}

bool checksum_holds(const Image& image) {
    return image.layout() == Layout::file && image.checksum() != 0 &&
           image.checksum() == checksum_of(image.bytes(), image.checksum_offset());
}

} // namespace suture::pe
