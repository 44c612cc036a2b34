#include "patchgen/program/arm64/machine_code.hpp"

#include "patchgen/program/arm64/counting.hpp"
#include "patchgen/program/arm64/decode.hpp"
#include "patchgen/program/arm64/reach_back.hpp"
#include "patchgen/program/arm64/register_flow.hpp"

#include <algorithm>

namespace suture::program::arm64 {

namespace {

class Follower final : public RegisterFollower {
  public:
    Follower(const Stretch& stretch, std::span<const std::uint32_t> instructions)
        : stretch_(stretch), steps_(stretch.bytes.size() / kWord) {
        for (const std::uint32_t offset : instructions)
            if (const auto word = stretch.bytes.read<std::uint32_t>(offset))
                steps_[offset / kWord] = instruction_of(*word);
    }

    RegisterFlow follow(const FlowHints& hints, Reach reach) override {
        return follow_registers(stretch_, steps_, hints, reach);
    }

  private:
    const Stretch& stretch_;
    std::vector<Instruction> steps_;
};

class Code final : public MachineCode {
  public:
    DecodedCode decode(const Stretch& stretch) const override { return arm64::decode(stretch); }

    DecodedCode decode_reached(const Stretch& stretch, std::span<const std::uint32_t> entries, bool) const override {
        return arm64::decode_reached(stretch, entries);
    }

    std::unique_ptr<RegisterFollower> follower(const Stretch& stretch,
                                               std::span<const std::uint32_t> instructions) const override {
        return std::make_unique<Follower>(stretch, instructions);
    }

    bool is_of_flow(ReferenceKind kind) const override {
        return kind == ReferenceKind::arm64_low12_add || kind == ReferenceKind::arm64_low12_load;
    }

    bool has_linked_parts() const override { return false; }

    /// Fill looks the same wherever it stands.
    std::uint32_t first_wall(const Stretch&, std::span<const std::uint32_t>) const override { return ~0u; }

    bool is_fill(ByteView bytes) const override { return arm64::is_fill(bytes); }

    std::uint32_t fill_at(ByteView bytes) const override {
        const auto word = bytes.slice(0, kWord);
        return word && arm64::is_fill(*word) ? kWord : 0;
    }

    /// All instructions are aligned, and functions need no more.
    std::uint32_t function_alignment() const override { return kWord; }

    void possible_branches(ByteView bytes, std::uint32_t from,
                           const std::function<void(std::uint32_t, std::int32_t)>& found) const override {
        for (std::uint32_t at = from & ~(kWord - 1); at + kWord <= bytes.size(); at += kWord) {
            const Instruction step = instruction_of(*bytes.read<std::uint32_t>(at));
            if (step.field != Field::none && step.field != Field::page21 && step.field != Field::literal19)
                found(at, static_cast<std::int32_t>(step.value));
        }
    }

    /// The register of an ADRP may have gone anywhere: where nothing goes on from it, the page itself counts.
    std::vector<Reference> possible_references(const Stretch& stretch, std::span<const std::uint32_t>,
                                               std::span<const Reference>) const override {
        std::vector<Instruction> steps;
        for (std::uint32_t at = 0; at + kWord <= stretch.bytes.size(); at += kWord)
            steps.push_back(instruction_of(*stretch.bytes.read<std::uint32_t>(at)));
        std::vector<Reference> found;
        const auto add = [&](std::uint32_t at, ReferenceKind kind, Use use, std::uint32_t target) {
            if (target < stretch.image_size)
                found.push_back(
                    {.offset = at, .kind = kind, .use = use, .addend = 0, .target = Rva{target}, .instruction = at});
        };
        for (std::uint32_t i = 0; i < steps.size(); ++i) {
            const std::uint32_t at = i * kWord;
            const Rva own = stretch.begin + at;
            const auto value = static_cast<std::uint32_t>(steps[i].value);
            switch (steps[i].field) {
            case Field::branch26:
            case Field::branch19:
            case Field::branch14:
                add(at, ReferenceKind::arm64_branch26, Use::jump, own.value + value);
                break;
            case Field::adr21:
            case Field::literal19:
                add(at, ReferenceKind::arm64_adr21, Use::address, own.value + value);
                break;
            case Field::page21: {
                const std::uint32_t page = (own.value & ~(kPage - 1)) + value;
                bool goes_on = false;
                for (std::uint32_t j = 0; j < steps.size(); ++j) {
                    const bool is_user =
                        steps[j].operation == Operation::add || steps[j].operation == Operation::memory;
                    if (!is_user || steps[j].rn != steps[i].rd)
                        continue;
                    goes_on = true;
                    add(j * kWord, ReferenceKind::arm64_low12_add, Use::address,
                        page + static_cast<std::uint32_t>(steps[j].value));
                }
                if (!goes_on)
                    add(at, ReferenceKind::arm64_low12_add, Use::address, page);
                break;
            }
            case Field::none:
                break;
            }
        }
        for (auto field = std::ranges::lower_bound(stretch.relocations, stretch.begin, {}, &pe::Relocation::at);
             field != stretch.relocations.end() && field->at - stretch.begin < stretch.bytes.size(); ++field)
            if (const auto pointer = stretch.bytes.read<std::uint64_t>(field->at - stretch.begin))
                if (*pointer - stretch.image_base.value < stretch.image_size)
                    add(field->at - stretch.begin, ReferenceKind::absolute, Use::address,
                        static_cast<std::uint32_t>(*pointer - stretch.image_base.value));
        return found;
    }

    bool counts_from(const Stretch& stretch, std::span<const std::uint32_t>, std::span<const std::uint32_t> cases,
                     std::uint32_t instruction, std::uint32_t size) const override {
        return arm64::counts_from(stretch, cases, instruction, size);
    }

    ReachBack reach_back(const Stretch& stretch, std::span<const std::uint32_t>, std::span<const Cases> cases,
                         std::span<const std::uint32_t> takers) const override {
        return arm64::reach_back(stretch, cases, takers);
    }

    std::optional<std::int64_t> member_shift(ByteView before, ByteView after) const override {
        constexpr std::uint32_t kDistance = 0xfff << 10; // of Operation::memory
        const auto words = pair_of(before, after, kDistance);
        const auto from = words ? member_distance(before) : std::nullopt;
        const auto to = words ? member_distance(after) : std::nullopt;
        return from && to ? std::optional(*to - *from) : std::nullopt;
    }

    std::optional<std::int64_t> constant_shift(ByteView before, ByteView after) const override {
        constexpr std::uint32_t kConstant = 0xffff << 5; // of MOVZ without a shift
        const auto words = pair_of(before, after, kConstant);
        if (!words || (words->first & 0x7fe0'0000) != 0x5280'0000)
            return std::nullopt;
        return std::int64_t{(words->second & kConstant) >> 5} - ((words->first & kConstant) >> 5);
    }

    std::optional<std::int64_t> member_distance(ByteView instruction) const override {
        constexpr std::uint8_t kFramePointer = 29;
        const auto word = instruction.read<std::uint32_t>(0);
        const Instruction step = instruction_of(word.value_or(0));
        if (!word || step.operation != Operation::memory || step.rn == kNone || step.rn == kFramePointer)
            return std::nullopt;
        return step.value;
    }

    std::optional<std::uint32_t> reads_slot_to_jump(ByteView code) const override {
        const auto page = code.read<std::uint32_t>(0);         // adrp xn, slot
        const auto load = code.read<std::uint32_t>(kWord);     // ldr xm, [xn, slot]
        const auto jump = code.read<std::uint32_t>(2 * kWord); // br xm
        const bool is_one = jump && (*page & 0x9f00'0000) == 0x9000'0000 && (*load & 0xffc0'0000) == 0xf940'0000 &&
                            (*jump & 0xffff'fc1f) == 0xd61f'0000 && (*page & 0x1f) == (*load >> 5 & 0x1f) &&
                            (*load & 0x1f) == (*jump >> 5 & 0x1f);
        return is_one ? std::optional(kWord) : std::nullopt;
    }

  private:
    /// Two instructions that differ, and in nothing but `field`.
    static std::optional<std::pair<std::uint32_t, std::uint32_t>> pair_of(ByteView before, ByteView after,
                                                                          std::uint32_t field) {
        const auto a = before.read<std::uint32_t>(0);
        const auto b = after.read<std::uint32_t>(0);
        if (before.size() != kWord || after.size() != kWord || !a || !b || *a == *b || ((*a ^ *b) & ~field) != 0)
            return std::nullopt;
        return std::pair(*a, *b);
    }
};

} // namespace

const MachineCode& machine_code() {
    static const Code code;
    return code;
}

} // namespace suture::program::arm64
