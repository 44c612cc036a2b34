#include "engine/package/file_digest.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace suture::package {

namespace {

TEST(FileDigest, LeavesOutItsHolesAndNothingElse) {
    Bytes file(100);
    std::iota(file.begin(), file.end(), std::uint8_t{0});
    const DigestHoles holes{{10}, {20}, {50}};
    Bytes without = file;
    without.erase(without.begin() + 50, without.begin() + 66);
    without.erase(without.begin() + 20, without.begin() + 28);
    without.erase(without.begin() + 10, without.begin() + 14);
    const Digest digest = file_digest(file, holes);
    EXPECT_EQ(digest, digest_of(without));
    for (std::size_t i = 0; i < file.size(); ++i) {
        file[i] ^= 1;
        const bool is_hole = (i >= 10 && i < 14) || (i >= 20 && i < 28) || (i >= 50 && i < 66);
        EXPECT_EQ(file_digest(file, holes) == digest, is_hole) << i;
        file[i] ^= 1;
    }
}

} // namespace

} // namespace suture::package
