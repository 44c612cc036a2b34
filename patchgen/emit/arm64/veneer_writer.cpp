#include "patchgen/emit/arm64/veneer_writer.hpp"

#include "engine/isa/arm64/immediates.hpp"
#include "patchgen/emit/arm64/aim.hpp"
#include "patchgen/emit/arm64/registers.hpp"

#include <array>

namespace suture::emit::arm64 {

namespace {

using isa::arm64::Form;
using isa::arm64::kInstructionSize;

constexpr std::uint32_t kB = 0x14000000;
constexpr std::uint32_t kAdrp = 0x90000000;
constexpr std::uint32_t kAdd = 0x91000000;    // add xd, xn, #0
constexpr std::uint32_t kVector = 0x04000000; // of loads and stores: the register is one of SIMD and floating point
constexpr std::uint32_t kSf = 0x80000000;     // of add: 64 bits
constexpr std::uint32_t kInPage = 0xfff;
constexpr std::uint32_t kZeroOrSp = 31;
/// ldr w, ldr x, ldrsw x, prfm; ldr s, ldr d, ldr q: by the two upper bits of the literal form, without offset.
constexpr std::array<std::uint32_t, 4> kIntegerLoads{0xb9400000, 0xf9400000, 0xb9800000, 0xf9800000};
constexpr std::array<std::uint32_t, 3> kVectorLoads{0xbd400000, 0xfd400000, 0x3dc00000};
constexpr std::uint32_t kPrefetch = 3; // of kIntegerLoads

std::uint32_t low_register(std::uint32_t word) {
    return word & 31;
}

/// True if a load or store with an unsigned offset writes its whole integer register and reads none but the base.
bool is_integer_load(std::uint32_t word) {
    const std::uint32_t size = word >> 30;
    const std::uint32_t opc = word >> 22 & 3;
    return (word & kVector) == 0 && opc != 0 && (size != 3 || opc == 1) && low_register(word) != kZeroOrSp;
}

} // namespace

Result<Rva> VeneerWriter::add(std::uint32_t word, std::uint32_t offset, Rva from, Address to) {
    const Rva begin = next();
    veneers_.parts.push_back({offset, static_cast<std::uint32_t>(veneers_.code.size())});
    const auto form = isa::arm64::form_of(word);
    if (!form)
        return fail(Code::reference_out_of_reach, "an instruction that no veneer can stand for");
    switch (*form) {
    case Form::branch19:
    case Form::branch14:
        SUTURE_CHECK(put_aimed(kB, to));
        return begin;
    case Form::adr21:
    case Form::add12:
        if (low_register(word) == kZeroOrSp || (*form == Form::add12 && (word & kSf) == 0))
            return fail(Code::register_none, "an address that goes into no register of 64 bits");
        SUTURE_CHECK(put_address(low_register(word), to, true));
        break;
    case Form::ldst12:
        SUTURE_CHECK(add_load(word, to));
        break;
    case Form::literal19:
        SUTURE_CHECK(add_literal(word, to));
        break;
    case Form::branch26:
    case Form::adrp21:
        return fail(Code::reference_out_of_reach, "a branch to another emitted function");
    }
    SUTURE_CHECK(put_aimed(kB, {true, from + kInstructionSize}));
    return begin;
}

void VeneerWriter::put(std::uint32_t word) {
    for (unsigned shift = 0; shift < 32; shift += 8)
        veneers_.code.push_back(static_cast<std::uint8_t>(word >> shift));
}

Result<void> VeneerWriter::put_aimed(std::uint32_t word, Address to) {
    const auto aimed = aim(word, next(), to, fixups_);
    if (!aimed)
        return fail(Code::reference_out_of_reach, "a veneer");
    put(*aimed);
    return {};
}

/// The page of an address in a register, or the whole address.
Result<void> VeneerWriter::put_address(std::uint32_t reg, Address to, bool whole) {
    SUTURE_CHECK(put_aimed(kAdrp | reg, to));
    if (whole)
        put(kAdd | (to.rva.value & kInPage) << 10 | reg << 5 | reg);
    return {};
}

Result<std::uint32_t> VeneerWriter::scratch() const {
    if (const auto free = free_register(program_, *veneers_.function))
        return *free;
    return fail(Code::register_none, "x16 and x17 are both in use");
}

Result<void> VeneerWriter::add_load(std::uint32_t word, Address to) {
    std::uint32_t base = low_register(word);
    if (!is_integer_load(word)) {
        SUTURE_TRY(base, scratch());
    }
    const auto with_offset = isa::arm64::put(Form::ldst12, word, to.rva.value & kInPage);
    if (!with_offset)
        return fail(Code::reference_out_of_reach, "what it loads or stores is not aligned");
    SUTURE_CHECK(put_address(base, to, false));
    put((*with_offset & ~(31u << 5)) | base << 5);
    return {};
}

Result<void> VeneerWriter::add_literal(std::uint32_t word, Address to) {
    const std::uint32_t kind = word >> 30;
    const bool vector = (word & kVector) != 0;
    std::uint32_t base = low_register(word);
    if (vector || kind == kPrefetch || base == kZeroOrSp) {
        SUTURE_TRY(base, scratch());
    }
    if (vector && kind >= kVectorLoads.size())
        return fail(Code::reference_out_of_reach, "an instruction that no veneer can stand for");
    SUTURE_CHECK(put_address(base, to, true));
    put((vector ? kVectorLoads[kind] : kIntegerLoads[kind]) | base << 5 | low_register(word));
    return {};
}

} // namespace suture::emit::arm64
