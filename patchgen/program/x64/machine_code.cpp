#include "patchgen/program/x64/machine_code.hpp"

#include "patchgen/program/x64/counting.hpp"
#include "patchgen/program/x64/operations.hpp"
#include "patchgen/program/x64/reach_back.hpp"
#include "patchgen/program/x64/register_flow.hpp"

namespace suture::program::x64 {

namespace {

class Code final : public MachineCode {
  public:
    DecodedCode decode(const Stretch& stretch) const override { return x64::decode(stretch); }

    DecodedCode decode_reached(const Stretch& stretch, std::span<const std::uint32_t> entries,
                               bool past_calls) const override {
        return x64::decode_reached(stretch, entries, past_calls);
    }

    std::unique_ptr<RegisterFollower> follower(const Stretch& stretch,
                                               std::span<const std::uint32_t> instructions) const override {
        return make_follower(stretch, instructions);
    }

    bool is_of_flow(ReferenceKind kind) const override { return kind == ReferenceKind::image_relative; }

    bool has_linked_parts() const override { return true; }

    /// int3 behind something else than a call.
    std::uint32_t first_wall(const Stretch& stretch, std::span<const std::uint32_t> instructions) const override {
        bool after_call = false;
        for (const auto& step : steps_of(stretch, instructions)) {
            if (stretch.bytes[step.offset] == 0xcc && !after_call)
                return step.offset;
            after_call = step.operation == Operation::call;
        }
        return ~0u;
    }

    bool is_fill(ByteView bytes) const override { return x64::is_fill(bytes); }

    std::uint32_t fill_at(ByteView bytes) const override { return x64::fill_at(bytes); }

    std::uint32_t function_alignment() const override { return 16; }

    void possible_branches(ByteView bytes, std::uint32_t from,
                           const std::function<void(std::uint32_t, std::int32_t)>& found) const override {
        for (std::uint32_t i = from; i < bytes.size(); ++i) {
            const std::uint8_t byte = bytes[i];
            const bool near_jump = byte == 0xe8 || byte == 0xe9 || (byte >= 0x80 && byte <= 0x8f);
            const bool short_jump = byte == 0xeb || (byte >= 0x70 && byte <= 0x7f) || (byte >= 0xe0 && byte <= 0xe3);
            if (const auto distance = near_jump ? bytes.read<std::int32_t>(i + 1) : std::nullopt)
                found(i + 5, *distance);
            if (const auto distance = short_jump ? bytes.read<std::int8_t>(i + 1) : std::nullopt)
                found(i + 2, *distance);
        }
    }

    std::vector<Reference> possible_references(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                                               std::span<const Reference> known) const override {
        return x64::possible_references(stretch, instructions, known);
    }

    bool counts_from(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                     std::span<const std::uint32_t> cases, std::uint32_t instruction,
                     std::uint32_t size) const override {
        return x64::counts_from(stretch, instructions, cases, instruction, size);
    }

    ReachBack reach_back(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                         std::span<const Cases> cases, std::span<const std::uint32_t> takers) const override {
        return x64::reach_back(stretch, instructions, cases, takers);
    }

    std::optional<std::int64_t> member_shift(ByteView before, ByteView after) const override {
        const auto a = member_access(before);
        const auto b = member_access(after);
        if (!a || !b || a->step.displacement_at != b->step.displacement_at ||
            a->step.displacement == b->step.displacement)
            return std::nullopt;
        const auto behind = [](const DecodedStep& one) -> std::uint64_t {
            return one.step.displacement_at + one.displacement_size;
        };
        if (*before.from(behind(*a)) != *after.from(behind(*b)))
            return std::nullopt;
        // Two bits in front of the displacement tell its size.
        unsigned differing = 0;
        for (std::uint32_t i = 0; i < a->step.displacement_at; ++i)
            if (const unsigned bits = before[i] ^ after[i]; bits != 0)
                differing = differing == 0 && a->displacement_size != b->displacement_size ? bits : ~0u;
        if (differing != (a->displacement_size != b->displacement_size ? kModBits : 0))
            return std::nullopt;
        return std::int64_t{b->step.displacement} - a->step.displacement;
    }

    std::optional<std::int64_t> constant_shift(ByteView before, ByteView after) const override {
        const auto constant = [](ByteView code) -> std::optional<std::uint32_t> {
            const std::size_t at = !code.empty() && (code[0] & 0xf0) == 0x40 ? 2 : 1;    // behind prefix and opcode
            const bool is_move = code.size() == at + 4 && (code[at - 1] & 0xf8) == 0xb8; // mov r32, imm32
            return is_move ? code.read<std::uint32_t>(at) : std::nullopt;
        };
        const auto a = constant(before);
        const auto b = constant(after);
        const std::size_t opcode = before.size() - std::min<std::size_t>(4, before.size());
        if (!a || !b || *a == *b || before.slice(0, opcode) != after.slice(0, opcode))
            return std::nullopt;
        return std::int64_t{*b} - *a;
    }

    std::optional<std::int64_t> member_distance(ByteView instruction) const override {
        const auto access = member_access(instruction);
        return access ? std::optional<std::int64_t>(access->step.displacement) : std::nullopt;
    }

    std::optional<std::uint32_t> reads_slot_to_jump(ByteView code) const override {
        const auto opcode = code.read<std::uint16_t>(0);
        return opcode == 0x25ff ? std::optional(0u) : std::nullopt; // jmp [rip + slot]
    }

  private:
    static constexpr unsigned kModBits = 0xc0; ///< of a ModRM byte: 01 with a displacement of one byte, 10 with four

    /// The instruction, if it is the whole of `code` and has a displacement from a register like that.
    static std::optional<DecodedStep> member_access(ByteView code) {
        constexpr int kStackPointer = 4;
        constexpr int kFramePointer = 5;
        const auto decoded = decode_step(code, Rva{}, 0);
        if (!decoded || decoded->step.length != code.size() || !decoded->step.memory ||
            decoded->displacement_size == 0 || decoded->step.base == kNone || decoded->step.base == kStackPointer ||
            decoded->step.base == kFramePointer)
            return std::nullopt;
        return decoded;
    }
};

} // namespace

const MachineCode& machine_code() {
    static const Code code;
    return code;
}

} // namespace suture::program::x64
