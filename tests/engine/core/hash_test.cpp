#include "engine/core/hash.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace suture {
namespace {

TEST(DigestTest, IsTheCanonicalXxh3Of128Bits) {
    // The value of `printf '' | xxhsum -H2`.
    EXPECT_EQ(digest_of({}).hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(HasherTest, PiecesGiveTheDigestOfTheWhole) {
    Bytes whole(1000);
    std::iota(whole.begin(), whole.end(), std::uint8_t{0});
    for (const std::size_t cut : {0uz, 1uz, 255uz, 999uz, 1000uz}) {
        Hasher hasher;
        hasher.add(*ByteView(whole).slice(0, cut));
        hasher.add(*ByteView(whole).from(cut));
        EXPECT_EQ(hasher.finish(), digest_of(whole)) << cut;
    }
}

TEST(HasherTest, ZerosCountAsZeroBytes) {
    Hasher hasher;
    hasher.add_zeros(1000);
    EXPECT_EQ(hasher.finish(), digest_of(Bytes(1000)));
    EXPECT_NE(hasher.finish(), digest_of(Bytes(999)));
}

} // namespace
} // namespace suture
