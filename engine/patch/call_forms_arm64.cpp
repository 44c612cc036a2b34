#include "engine/patch/call_forms_arm64.hpp"

namespace suture::patch {

namespace {

constexpr int kMaxLeafInstructions = 64;
constexpr std::uint32_t kLinkRegister = 30;
constexpr std::uint32_t kStackPointer = 31;

struct Pattern {
    std::uint32_t mask;
    std::uint32_t value;
};

template <std::size_t N>
bool is_one_of(const Pattern (&patterns)[N], std::uint32_t word) {
    for (const Pattern& pattern : patterns)
        if ((word & pattern.mask) == pattern.value)
            return true;
    return false;
}

// Arm Architecture Reference Manual, C4.1: bl; blr; blraaz, blrabz; blraa, blrab.
constexpr Pattern kCalls[] = {
    {0xfc00'0000, 0x9400'0000}, {0xffff'fc1f, 0xd63f'0000}, {0xffff'f81f, 0xd63f'081f}, {0xffff'f800, 0xd73f'0800}};

/// b; br, ret and their authenticated forms.
constexpr Pattern kLeaving[] = {{0xfc00'0000, 0x1400'0000},
                                {0xff9f'fc1f, 0xd61f'0000},
                                {0xff9f'f81f, 0xd61f'081f},
                                {0xfffb'ffff, 0xd65b'0bff},
                                {0xffff'f800, 0xd71f'0800}};

/// Where register 31 in the lowest bits is the stack pointer: add and sub of an immediate or an extended register that
/// set no flags, logical operations with an immediate but ands, and what makes tags.
constexpr Pattern kIntoStackPointer[] = {{0x3f00'0000, 0x1100'0000}, {0x3fe0'0000, 0x0b20'0000},
                                         {0x7f80'0000, 0x1200'0000}, {0x5f80'0000, 0x1200'0000},
                                         {0xbf80'0000, 0x9180'0000}, {0xffe0'f000, 0x9ac0'1000}};

/// Loads and stores that change the register of their address: of one register before and after, and of pairs.
constexpr Pattern kWriteBack[] = {{0x3b20'0400, 0x3800'0400}, {0x3a80'0000, 0x2880'0000}, {0x3b20'0000, 0x1900'0000}};

constexpr Pattern kLoadOfPair[] = {{0x3a40'0000, 0x2840'0000}};

bool disturbs(std::uint32_t word) {
    const std::uint32_t d = word & 31;
    const std::uint32_t n = word >> 5 & 31;
    const std::uint32_t second = word >> 10 & 31;
    return d == kLinkRegister || (d == kStackPointer && is_one_of(kIntoStackPointer, word)) ||
           (n == kStackPointer && is_one_of(kWriteBack, word)) ||
           (second == kLinkRegister && is_one_of(kLoadOfPair, word));
}

} // namespace

bool is_call_arm64(std::uint32_t word) {
    return is_one_of(kCalls, word);
}

bool looks_like_leaf_arm64(ByteView bytes) {
    for (int i = 0; i < kMaxLeafInstructions; ++i) {
        const auto word = bytes.read<std::uint32_t>(static_cast<std::uint64_t>(i) * kInstructionSizeArm64);
        if (!word || *word >> 16 == 0 || is_call_arm64(*word)) // nothing, or udf
            return false;
        if (is_one_of(kLeaving, *word))
            return true;
        if (disturbs(*word))
            return false;
    }
    return false;
}

} // namespace suture::patch
