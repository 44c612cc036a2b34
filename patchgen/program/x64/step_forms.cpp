#include "patchgen/program/x64/step_forms.hpp"

#include "engine/isa/x64/common_form.hpp"

#include <array>

namespace suture::program::x64 {

namespace {

constexpr std::size_t kFormBits = 12;
constexpr std::size_t kForms = std::size_t{1} << kFormBits;
/// An odd factor with bits all over: 2^64 divided by the golden ratio.
constexpr std::uint64_t kMixer = 0x9e37'79b9'7f4a'7c15;

/// What a thread has had decoded: forms of instructions that differ in numbers and registers only. Programs have some
/// hundred. Threads that decode nothing take no memory for it.
class Forms {
  public:
    /// nullptr where `code` is no instruction. `key`: of its form, not 0.
    const DecodedStep* of(std::uint64_t key, ByteView code, Rva at, std::uint32_t offset) {
        const std::size_t slot = key * kMixer >> (64 - kFormBits);
        if (keys_[slot] == key)
            return &decoded_[numbers_[slot]];
        auto decoded = decode_step(code, at, offset);
        if (!decoded)
            return nullptr;
        if (keys_[slot] == 0) {
            numbers_[slot] = static_cast<std::uint16_t>(decoded_.size());
            decoded_.emplace_back();
        }
        keys_[slot] = key;
        return &(decoded_[numbers_[slot]] = std::move(*decoded));
    }

  private:
    std::array<std::uint64_t, kForms> keys_{}; ///< 0: none
    std::array<std::uint16_t, kForms> numbers_{};
    std::vector<DecodedStep> decoded_;
};

/// The head of an instruction of a common form, taken apart (Intel SDM volume 2, 2.1 and 2.2.1).
class Head {
  public:
    Head(ByteView code, std::uint8_t size) {
        std::size_t at = 0;
        if (code[at] == 0x66 || code[at] == 0xf2 || code[at] == 0xf3)
            prefix_ = code[at++];
        if ((code[at] & 0xf0) == 0x40)
            rex_ = code[at++];
        if (code[at] == 0x0f)
            two_bytes_ = true, ++at;
        opcode_ = code[at++];
        has_modrm_ = at < size;
        modrm_ = has_modrm_ ? code[at++] : std::uint8_t{0};
        sib_ = at < size ? code[at] : std::uint8_t{0};
    }

    /// All that the form depends on.
    std::uint64_t key() const {
        const std::uint64_t opcode = register_in_opcode() ? opcode_ & 0xf8u : opcode_;
        const unsigned reg = reg_is_opcode() ? modrm_ & 0x38u : 0u;
        const unsigned rm = mod() == 3 ? 0u : has_sib() ? 4u : is_rip() ? 5u : 0u;
        const std::uint64_t operand = has_modrm_ ? (modrm_ & 0xc0u) | reg | rm : 0u;
        const std::uint64_t sib = has_sib() ? (sib_ & 0xc0u) | (no_index() ? 1u : 0u) | (no_base() ? 2u : 0u) : 0u;
        return opcode | operand << 8 | sib << 16 | std::uint64_t{prefix_} << 24 | std::uint64_t{rex_ & 0x48u} << 32 |
               std::uint64_t{two_bytes_} << 40 | std::uint64_t{has_modrm_} << 41 | std::uint64_t{1} << 42;
    }

    std::int8_t number(RegisterField field, bool is_byte) const {
        const unsigned number = field == RegisterField::reg  ? (modrm_ >> 3 & 7u) | (rex_ & 4u) << 1
                                : field == RegisterField::rm ? (modrm_ & 7u) | (rex_ & 1u) << 3
                                                             : (opcode_ & 7u) | (rex_ & 1u) << 3;
        // Without REX these are AH, CH, DH and BH.
        return static_cast<std::int8_t>(is_byte && rex_ == 0 && number >= 4 ? number - 4 : number);
    }

    std::int8_t base() const {
        if (has_sib())
            return no_base() ? kNone : static_cast<std::int8_t>((sib_ & 7u) | (rex_ & 1u) << 3);
        return static_cast<std::int8_t>((modrm_ & 7u) | (rex_ & 1u) << 3);
    }
    std::int8_t index() const {
        return !has_sib() || no_index() ? kNone : static_cast<std::int8_t>((sib_ >> 3 & 7u) | (rex_ & 2u) << 2);
    }

  private:
    /// push, pop, xchg and mov of one byte; bswap.
    bool register_in_opcode() const {
        return two_bytes_ ? opcode_ >= 0xc8 && opcode_ <= 0xcf
                          : (opcode_ >= 0x50 && opcode_ <= 0x5f) || (opcode_ >= 0x91 && opcode_ <= 0x97) ||
                                (opcode_ >= 0xb0 && opcode_ <= 0xbf);
    }
    /// Groups of instructions that the register field of ModRM tells apart.
    bool reg_is_opcode() const {
        return !two_bytes_ &&
               ((opcode_ >= 0x80 && opcode_ <= 0x83) || (opcode_ >= 0xc0 && opcode_ <= 0xd3) || opcode_ >= 0xf6);
    }
    unsigned mod() const { return modrm_ >> 6; }
    bool has_sib() const { return has_modrm_ && mod() != 3 && (modrm_ & 7) == 4; }
    bool is_rip() const { return mod() == 0 && (modrm_ & 7) == 5; }
    bool no_base() const { return mod() == 0 && (sib_ & 7) == 5; }
    bool no_index() const { return (sib_ >> 3 & 7) == 4 && (rex_ & 2) == 0; }

    std::uint8_t prefix_ = 0;
    std::uint8_t rex_ = 0;
    bool two_bytes_ = false;
    bool has_modrm_ = false;
    std::uint8_t opcode_ = 0;
    std::uint8_t modrm_ = 0;
    std::uint8_t sib_ = 0;
};

std::uint64_t number(ByteView code, std::uint8_t at, std::uint8_t size, bool is_signed) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value |= std::uint64_t{code[at + i]} << 8 * i;
    const unsigned unused = 64u - 8u * size;
    return is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused) : value;
}

bool has(std::uint8_t fields, RegisterField field) {
    return (fields >> static_cast<unsigned>(field) & 1) != 0;
}

/// Another instruction of the form.
Step step_like(const DecodedStep& form, const Head& head, ByteView code, Rva at, std::uint32_t offset) {
    Step step = form.step;
    step.offset = offset;
    const auto register_in = [&](RegisterField field) { return head.number(field, has(form.byte_fields, field)); };
    if (form.dst != RegisterField::none)
        step.dst = register_in(form.dst);
    if (form.src != RegisterField::none)
        step.src = register_in(form.src);
    step.written = form.always_written;
    for (const RegisterField field : {RegisterField::reg, RegisterField::rm, RegisterField::opcode})
        if (has(form.written_fields, field))
            step.written |= static_cast<std::uint16_t>(1u << register_in(field));
    if (step.memory) {
        step.base = head.base();
        step.index = head.index();
    }
    const auto end = at + step.length;
    const auto displacement =
        form.displacement_size == 0
            ? 0
            : static_cast<std::uint32_t>(number(code, step.displacement_at, form.displacement_size, true));
    if (step.memory)
        step.displacement = static_cast<std::int32_t>(displacement);
    if (form.immediate_counts)
        step.immediate = number(code, form.immediate_at, form.immediate_size, form.immediate_is_signed);
    if (step.jumps)
        step.target = end + static_cast<std::uint32_t>(number(code, form.immediate_at, form.immediate_size, true));
    else if (step.operation == Operation::load_address)
        step.target = end + displacement;
    return step;
}

} // namespace

bool add_step(ByteView code, Rva at, std::uint32_t offset, std::vector<Step>& steps) {
    static thread_local Forms forms;
    const auto common = isa::x64::common_form(code);
    if (common.head == 0) {
        const auto decoded = decode_step(code, at, offset);
        if (decoded)
            steps.push_back(decoded->step);
        return decoded.has_value();
    }
    const Head head(code, common.head);
    const DecodedStep* form = forms.of(head.key(), code, at, offset);
    if (!form)
        return false;
    steps.push_back(step_like(*form, head, code, at, offset));
    return true;
}

} // namespace suture::program::x64
