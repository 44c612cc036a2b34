#include "engine/core/hash.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

namespace suture {

namespace {

Digest canonical(XXH128_hash_t hash) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    Digest digest;
    std::copy(std::begin(canonical.digest), std::end(canonical.digest), digest.bytes.begin());
    return digest;
}

} // namespace

std::string Digest::hex() const {
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

Digest digest_of(ByteView bytes) {
    return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

struct Hasher::State {
    XXH3_state_t* xxh3 = XXH3_createState();
    ~State() { XXH3_freeState(xxh3); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
    XXH3_128bits_reset(state_->xxh3);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::add(ByteView bytes) {
    if (!bytes.empty())
        XXH3_128bits_update(state_->xxh3, bytes.data(), bytes.size());
}

void Hasher::add_zeros(std::size_t count) {
    static constexpr std::array<std::uint8_t, 64> zeros{};
    while (count > 0) {
        const std::size_t piece = std::min(count, zeros.size());
        add(ByteView(zeros.data(), piece));
        count -= piece;
    }
}

Digest Hasher::finish() const {
    return canonical(XXH3_128bits_digest(state_->xxh3));
}

} // namespace suture
