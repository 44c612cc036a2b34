#include "engine/isa/arm64/immediates.hpp"

namespace suture::isa::arm64 {

namespace {

constexpr std::uint32_t kLowBits = 0x6000'0000;  // adr, adrp: bits 1:0 of the field
constexpr std::uint32_t kHighBits = 0x00ff'ffe0; // bits 20:2 of it
constexpr std::uint32_t kShifted = 0x0040'0000;  // add: lsl #12
constexpr std::uint32_t kPage = 0x1000;
constexpr std::uint64_t kInPage = kPage - 1;

struct Field {
    unsigned bits;
    unsigned shift;
    bool is_signed;
};

Field field_of(Form form) {
    switch (form) {
    case Form::branch26:
        return {26, 0, true};
    case Form::branch14:
        return {14, 5, true};
    case Form::adr21:
    case Form::adrp21:
        return {21, 0, true}; // in two parts
    case Form::branch19:
    case Form::literal19:
        return {19, 5, true};
    case Form::add12:
    case Form::ldst12:
        break;
    }
    return {12, 10, false};
}

bool is_split(Form form) {
    return form == Form::adr21 || form == Form::adrp21;
}

constexpr std::uint32_t mask_of(unsigned bits) {
    return (1u << bits) - 1;
}

/// Loads and stores with an unsigned offset that the architecture defines.
bool is_ldst12(std::uint32_t word) {
    if ((word & 0x3b00'0000) != 0x3900'0000)
        return false;
    const unsigned size = word >> 30;
    const unsigned opc = (word >> 22) & 3;
    if ((word & 0x0400'0000) != 0) // of a vector register: opc 2 and 3 are 128 bits wide, with size 0
        return opc < 2 || size == 0;
    return opc != 3 || size < 2;
}

} // namespace

std::optional<Form> form_of(std::uint32_t word) {
    if ((word & 0x7c00'0000) == 0x1400'0000)
        return Form::branch26;
    if ((word & 0xff00'0000) == 0x5400'0000 || (word & 0x7e00'0000) == 0x3400'0000)
        return Form::branch19;
    if ((word & 0x7e00'0000) == 0x3600'0000)
        return Form::branch14;
    if ((word & 0x9f00'0000) == 0x1000'0000)
        return Form::adr21;
    if ((word & 0x9f00'0000) == 0x9000'0000)
        return Form::adrp21;
    if ((word & 0x3b00'0000) == 0x1800'0000 && (word & 0xff00'0000) != 0xdc00'0000)
        return Form::literal19;
    if ((word & 0x7f80'0000) == 0x1100'0000)
        return Form::add12;
    if (is_ldst12(word))
        return Form::ldst12;
    return std::nullopt;
}

bool is_pc_relative(Form form) {
    return form != Form::add12 && form != Form::ldst12;
}

std::uint32_t step_of(Form form, std::uint32_t word) {
    switch (form) {
    case Form::adr21:
        return 1;
    case Form::adrp21:
        return kPage;
    case Form::add12:
        return (word & kShifted) != 0 ? kPage : 1;
    case Form::ldst12:
        return (word & 0x0480'0000) == 0x0480'0000 ? 16 : 1u << (word >> 30);
    default:
        return kInstructionSize;
    }
}

std::int64_t get(Form form, std::uint32_t word) {
    const Field field = field_of(form);
    const std::uint32_t raw = is_split(form) ? ((word & kHighBits) >> 3) | ((word & kLowBits) >> 29)
                                             : (word >> field.shift) & mask_of(field.bits);
    std::int64_t value = raw;
    if (field.is_signed && (value >> (field.bits - 1)) != 0)
        value -= std::int64_t{1} << field.bits;
    return value * step_of(form, word);
}

std::optional<std::uint32_t> put(Form form, std::uint32_t word, std::int64_t bytes) {
    const Field field = field_of(form);
    const std::int64_t step = step_of(form, word);
    if (bytes % step != 0)
        return std::nullopt;
    const std::int64_t value = bytes / step;
    const std::int64_t end = std::int64_t{1} << (field.is_signed ? field.bits - 1 : field.bits);
    if (value >= end || value < (field.is_signed ? -end : 0))
        return std::nullopt;
    const std::uint32_t raw = static_cast<std::uint32_t>(value) & mask_of(field.bits);
    if (is_split(form))
        return (word & ~(kHighBits | kLowBits)) | ((raw << 3) & kHighBits) | (raw << 29 & kLowBits);
    return (word & ~(mask_of(field.bits) << field.shift)) | raw << field.shift;
}

std::uint64_t target_of(Form form, std::uint32_t word, std::uint64_t pc) {
    const std::uint64_t from = form == Form::adrp21 ? pc & ~kInPage : pc;
    return from + static_cast<std::uint64_t>(get(form, word));
}

std::optional<std::uint32_t> aimed_at(Form form, std::uint32_t word, std::uint64_t pc, std::uint64_t target) {
    if (form != Form::adrp21)
        return put(form, word, static_cast<std::int64_t>(target - pc));
    return put(form, word, static_cast<std::int64_t>((target & ~kInPage) - (pc & ~kInPage)));
}

} // namespace suture::isa::arm64
