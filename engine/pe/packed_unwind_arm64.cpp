#include "engine/pe/packed_unwind_arm64.hpp"

#include <algorithm>

namespace suture::pe {

namespace {

using Step = UnwindStepArm64;
using Kind = Step::Kind;

constexpr std::uint8_t kFirstSaved = 19;
constexpr std::uint8_t kFramePointer = 29;
constexpr std::uint8_t kLinkRegister = 30;
/// Largest immediates of `stp` with write-back and, in whole units of 16, of `sub`.
constexpr std::uint32_t kMaxStoredFrame = 512;
constexpr std::uint32_t kMaxSubtracted = 4080;

Step allocate(std::uint32_t size) {
    return {.kind = Kind::restore, .size = size};
}

/// The fields of the word.
struct Packed {
    explicit Packed(std::uint32_t word)
        : integers(word >> 16 & 15), homes((word >> 20 & 1) != 0), link(word >> 21 & 3), frame(16 * (word >> 23)) {
        const std::uint32_t field = word >> 13 & 7; // RegF: one less than are saved, but for 0
        floats = field == 0 ? 0 : field + 1;
    }

    bool link_saved() const { return link == 1; }
    bool is_signed() const { return link == 2; }
    bool chained() const { return link >= 2; }

    std::uint32_t floats = 0;
    std::uint32_t integers;
    bool homes;
    std::uint32_t link; ///< CR
    std::uint32_t frame;
};

/// The stores of registers in the order of the prologue, the first of which makes room for all of them.
std::vector<Step> stores(const Packed& packed) {
    std::vector<Step> steps;
    std::uint32_t offset = 0;
    const auto add = [&](std::uint8_t first, std::uint8_t second, std::uint32_t size) {
        steps.push_back({Kind::restore, {first, second}, offset, 0});
        offset += size;
    };
    for (std::uint32_t i = 0; i < packed.integers; i += 2) {
        const auto first = static_cast<std::uint8_t>(kFirstSaved + i);
        const bool alone = i + 1 == packed.integers;
        if (!alone)
            add(first, static_cast<std::uint8_t>(first + 1), 16);
        else if (packed.link_saved())
            add(first, kLinkRegister, 16);
        else
            add(first, Step::kNone, 8);
    }
    if (packed.link_saved() && packed.integers % 2 == 0)
        add(kLinkRegister, Step::kNone, 8);
    for (std::uint32_t i = 0; i < packed.floats; i += 2)
        add(Step::kNone, Step::kNone, i + 1 == packed.floats ? 8 : 16);
    return steps;
}

} // namespace

std::optional<PackedFrameArm64> packed_frame_arm64(std::uint32_t word) {
    const Packed packed(word);
    // `stp` with write-back of a register and lr has no code of its own, and no documented form here.
    if (packed.integers == 1 && packed.link_saved())
        return std::nullopt;
    const std::uint32_t registers =
        packed.integers + packed.floats + (packed.link_saved() ? 1 : 0) + (packed.homes ? 8 : 0);
    const std::uint32_t saved = (8 * registers + 15) / 16 * 16;
    if (packed.frame < saved || (packed.chained() && packed.frame - saved < 16))
        return std::nullopt;
    const std::uint32_t local = packed.frame - saved;

    std::vector<Step> executed; // by the prologue, in its order
    std::vector<Step> undone;   // by the epilogue, in the opposite order
    if (packed.is_signed()) {
        executed.push_back({.kind = Kind::signed_return});
        undone.push_back(executed.back());
    }
    std::vector<Step> saves = stores(packed);
    if (saved != 0 && saves.empty()) // only arguments are stored
        undone.push_back(allocate(saved));
    else if (saved != 0)
        saves.front().size = saved;
    executed.insert(executed.end(), saves.begin(), saves.end());
    undone.insert(undone.end(), saves.begin(), saves.end());
    for (int i = 0; packed.homes && i < 4; ++i)
        executed.push_back(i == 0 && saves.empty() ? allocate(saved) : Step());

    const bool stored = packed.chained() && local <= kMaxStoredFrame;
    if (!stored)
        for (std::uint32_t left = local; left != 0; left -= std::min(left, kMaxSubtracted)) {
            executed.push_back(allocate(std::min(left, kMaxSubtracted)));
            undone.push_back(executed.back());
        }
    if (packed.chained()) {
        executed.push_back({Kind::restore, {kFramePointer, kLinkRegister}, 0, stored ? local : 0});
        undone.push_back(executed.back());
        executed.push_back({.kind = Kind::to_frame});
    }
    std::ranges::reverse(executed);
    std::ranges::reverse(undone);
    return PackedFrameArm64{std::move(executed), std::move(undone)};
}

} // namespace suture::pe
