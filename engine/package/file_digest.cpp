#include "engine/package/file_digest.hpp"

namespace suture::package {

Digest file_digest(ByteView covered, const DigestHoles& holes) {
    Hasher hasher;
    std::uint64_t at = 0;
    const auto add_up_to = [&](FileOffset hole, std::uint64_t size) {
        hasher.add(covered.slice(at, hole.value - at).value_or(ByteView()));
        at = hole.value + size;
    };
    add_up_to(holes.checksum, 4);
    add_up_to(holes.certificates_entry, 8);
    add_up_to(holes.digest, 16);
    hasher.add(covered.from(at).value_or(ByteView()));
    return hasher.finish();
}

} // namespace suture::package
