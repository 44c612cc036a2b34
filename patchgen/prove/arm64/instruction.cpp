#include "patchgen/prove/arm64/instruction.hpp"

namespace suture::prove::arm64 {

using program::Use;

namespace {

constexpr std::uint32_t bits(std::uint32_t word, unsigned low, unsigned count) {
    return word >> low & ((1u << count) - 1);
}

constexpr std::int64_t signed_bits(std::uint32_t word, unsigned low, unsigned count) {
    const auto value = static_cast<std::int64_t>(bits(word, low, count));
    return value - ((value >> (count - 1)) << count);
}

constexpr bool is_b_or_bl(std::uint32_t word) {
    return (word & 0x7c000000) == 0x14000000;
}
constexpr bool is_b_cond(std::uint32_t word) {
    return (word & 0xff000000) == 0x54000000; // bc.cond included
}
constexpr bool is_cbz(std::uint32_t word) {
    return (word & 0x7e000000) == 0x34000000;
}
constexpr bool is_tbz(std::uint32_t word) {
    return (word & 0x7e000000) == 0x36000000;
}
constexpr bool is_adr(std::uint32_t word) {
    return (word & 0x9f000000) == 0x10000000;
}
constexpr bool is_adrp(std::uint32_t word) {
    return (word & 0x9f000000) == 0x90000000;
}
constexpr bool is_literal(std::uint32_t word) {
    return (word & 0x3b000000) == 0x18000000;
}

constexpr std::uint32_t kDistance26 = 0x03ffffff;
constexpr std::uint32_t kDistance19 = 0x00ffffe0;
constexpr std::uint32_t kDistance14 = 0x0007ffe0;
constexpr std::uint32_t kDistance21 = 0x60ffffe0;

} // namespace

Distance distance_of(std::uint32_t word) {
    if (is_b_or_bl(word))
        return {word >> 31 ? Form::call : Form::branch, kDistance26, 0};
    if (is_b_cond(word) || is_cbz(word))
        return {Form::conditional_branch, kDistance19, 0};
    if (is_tbz(word))
        return {Form::conditional_branch, kDistance14, 0};
    if (is_adr(word))
        return {Form::adr, kDistance21, 0};
    if (is_adrp(word))
        return {Form::adrp, kDistance21, 0};
    if (is_literal(word)) {
        const std::uint32_t opc = word >> 30;
        if (bits(word, 26, 1))
            return opc == 3 ? Distance{} : Distance{Form::literal, kDistance19, 4u << opc};
        constexpr std::uint32_t kSizes[] = {4, 8, 4, 0}; // ldr w, ldr x, ldrsw, prfm
        return {Form::literal, kDistance19, kSizes[opc]};
    }
    return {};
}

std::uint64_t address_of(std::uint32_t word, std::uint64_t pc) {
    const Distance distance = distance_of(word);
    if (distance.form == Form::adr || distance.form == Form::adrp) {
        const std::int64_t value = signed_bits(word, 5, 19) * 4 + bits(word, 29, 2);
        return distance.form == Form::adr ? pc + static_cast<std::uint64_t>(value)
                                          : (pc & ~std::uint64_t{0xfff}) + static_cast<std::uint64_t>(value * 0x1000);
    }
    const std::int64_t words = distance.mask == kDistance26   ? signed_bits(word, 0, 26)
                               : distance.mask == kDistance14 ? signed_bits(word, 5, 14)
                                                              : signed_bits(word, 5, 19);
    return pc + static_cast<std::uint64_t>(words * 4);
}

std::optional<PageUser> page_user(std::uint32_t word) {
    PageUser user;
    user.base = bits(word, 5, 5);
    user.value = bits(word, 0, 5);
    user.offset = bits(word, 10, 12);
    if ((word & 0xffc00000) == 0x91000000) { // add x, x, #imm12
        user.is_add = true;
        return user;
    }
    if ((word & 0x3b000000) != 0x39000000)
        return std::nullopt;
    const std::uint32_t size = word >> 30;
    const std::uint32_t opc = bits(word, 22, 2);
    if (bits(word, 26, 1)) {
        if (opc >= 2 && size != 0)
            return std::nullopt;
        user.access_size = opc >= 2 ? 16 : 1u << size;
        user.use = opc & 1 ? Use::read : Use::write;
    } else {
        if (size == 3 && opc == 2) { // prfm
            user.offset *= 8;
            return user;
        }
        if ((size == 3 && opc == 3) || (size == 2 && opc == 3))
            return std::nullopt;
        user.access_size = 1u << size;
        user.use = opc == 0 ? Use::write : Use::read;
    }
    user.offset *= user.access_size;
    return user;
}

std::optional<std::uint32_t> load_with_base(std::uint32_t literal) {
    if (distance_of(literal).form != Form::literal)
        return std::nullopt;
    constexpr std::uint32_t kGeneral[] = {0xb9400000, 0xf9400000, 0xb9800000, 0xf9800000};
    constexpr std::uint32_t kVector[] = {0xbd400000, 0xfd400000, 0x3dc00000};
    const std::uint32_t opc = literal >> 30;
    return (bits(literal, 26, 1) ? kVector[opc] : kGeneral[opc]) | bits(literal, 0, 5);
}

Flow flow_of(std::uint32_t word) {
    if ((word & 0xfc000000) == 0x14000000) // b
        return Flow::stops;
    if ((word & 0xfe000000) == 0xd6000000) { // branches by register; bits 23 to 21: 0 br, 1 blr, 2 ret, 4 eret
        const std::uint32_t kind = bits(word, 21, 3);
        return kind == 0 ? Flow::anywhere : kind == 1 ? Flow::on : Flow::stops;
    }
    // brk ends in an exception from which only a debugger comes back, except for __debugbreak's.
    if ((word & 0xffe0001f) == 0xd4200000)
        return bits(word, 5, 16) == 0xf000 ? Flow::on : Flow::stops;
    return (word & 0xffff0000) == 0 ? Flow::stops : Flow::on; // udf
}

bool is_call(std::uint32_t word) {
    return (word & 0xfc000000) == 0x94000000 || ((word & 0xfe000000) == 0xd6000000 && bits(word, 21, 3) == 1);
}

bool is_return(std::uint32_t word) {
    return (word & 0xfe000000) == 0xd6000000 && bits(word, 21, 3) == 2;
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> copy_of(std::uint32_t word) {
    if ((word & 0xffe0ffe0) != 0xaa0003e0 || bits(word, 0, 5) == kZero || bits(word, 16, 5) == kZero)
        return std::nullopt;
    return std::pair(bits(word, 0, 5), bits(word, 16, 5));
}

Registers stored_to_stack(std::uint32_t word) {
    const bool one = (word & 0xffc003e0) == 0xf90003e0 || (word & 0xffe00fe0) == 0xf8000fe0;  // str x: offset, [sp, #]!
    const bool pair = (word & 0xffc003e0) == 0xa90003e0 || (word & 0xffc003e0) == 0xa98003e0; // stp x: likewise
    Registers result = 0;
    if (const std::uint32_t first = bits(word, 0, 5); (one || pair) && first != kZero)
        result |= 1u << first;
    if (const std::uint32_t second = bits(word, 10, 5); pair && second != kZero)
        result |= 1u << second;
    return result;
}

std::optional<Selection> selection_of(std::uint32_t word) {
    if ((word & 0x7fe00c00) != 0x1a800000)
        return std::nullopt;
    return Selection{bits(word, 0, 5), bits(word, 5, 5), bits(word, 16, 5), bits(word, 12, 4), word >> 31 != 0};
}

} // namespace suture::prove::arm64
