#include "patchgen/program/arm64/machine_code.hpp"

#include "patchgen/program/arm64/decode.hpp"
#include "patchgen/program/arm64/register_flow.hpp"

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

    void possible_branches(ByteView bytes, std::uint32_t from,
                           const std::function<void(std::uint32_t, std::int32_t)>& found) const override {
        for (std::uint32_t at = from & ~(kWord - 1); at + kWord <= bytes.size(); at += kWord) {
            const Instruction step = instruction_of(*bytes.read<std::uint32_t>(at));
            if (step.field != Field::none && step.field != Field::page21 && step.field != Field::literal19)
                found(at, static_cast<std::int32_t>(step.value));
        }
    }
};

} // namespace

const MachineCode& machine_code() {
    static const Code code;
    return code;
}

} // namespace suture::program::arm64
