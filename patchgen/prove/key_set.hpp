#pragma once

#include <cstdint>
#include <vector>

namespace suture::prove {

/// 128 bits that stand for something, not all of them ones.
struct Key {
    std::uint64_t high = ~std::uint64_t{0};
    std::uint64_t low = ~std::uint64_t{0};

    bool operator==(const Key&) const = default;
};

/// A set of keys in one block of memory: a proof asks for millions of them.
class KeySet {
  public:
    /// False if the key was there before.
    bool insert(Key key) {
        if (2 * count_ >= slots_.size())
            grow();
        const bool fresh = put(key);
        count_ += fresh;
        return fresh;
    }

    bool contains(Key key) const {
        const std::size_t mask = slots_.size() - 1;
        for (std::size_t at = slots_.empty() ? 0 : hash(key) & mask; !slots_.empty() && slots_[at] != Key{};
             at = (at + 1) & mask)
            if (slots_[at] == key)
                return true;
        return false;
    }

  private:
    static constexpr std::size_t kFirstSlots = 1024;

    static std::size_t hash(Key key) {
        // Odd factors with bits all over: 2^64 divided by the golden ratio, and by the square root of 3.
        const std::uint64_t mixed = key.high * 0x9e37'79b9'7f4a'7c15 ^ key.low * 0x93cd'3a2c'8198'e269;
        return static_cast<std::size_t>(mixed ^ mixed >> 32);
    }

    bool put(Key key) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = hash(key) & mask;
        while (slots_[at] != Key{}) {
            if (slots_[at] == key)
                return false;
            at = (at + 1) & mask;
        }
        slots_[at] = key;
        return true;
    }

    void grow() {
        std::vector<Key> old(slots_.empty() ? kFirstSlots : 2 * slots_.size());
        old.swap(slots_);
        for (const Key key : old)
            if (key != Key{})
                put(key);
    }

    std::vector<Key> slots_; ///< as many as a power of two, half of them empty
    std::size_t count_ = 0;
};

} // namespace suture::prove
