#include "patchgen/program/arm64/instruction.hpp"

#include <bit>

namespace suture::program::arm64 {

namespace {

constexpr std::uint8_t kNoComparison = 16;

constexpr std::uint32_t bits(std::uint32_t word, int high, int low) {
    return word >> low & ((2u << (high - low)) - 1);
}

constexpr bool bit(std::uint32_t word, int at) {
    return (word >> at & 1) != 0;
}

/// The low `count` bits, sign-extended.
constexpr std::int64_t extended(std::uint32_t value, int count) {
    const auto up = static_cast<std::int64_t>(std::uint64_t{value} << (64 - count));
    return up >> (64 - count);
}

constexpr std::uint32_t mask_of(std::uint32_t reg) {
    return reg == kNone ? 0 : 1u << reg;
}

std::uint8_t rd_of(std::uint32_t word) {
    return static_cast<std::uint8_t>(word & 31);
}
std::uint8_t rn_of(std::uint32_t word) {
    return static_cast<std::uint8_t>(bits(word, 9, 5));
}
std::uint8_t rm_of(std::uint32_t word) {
    return static_cast<std::uint8_t>(bits(word, 20, 16));
}
std::uint8_t ra_of(std::uint32_t word) {
    return static_cast<std::uint8_t>(bits(word, 14, 10));
}

Instruction plain(std::uint32_t reads, std::uint32_t written) {
    Instruction made;
    made.operation = Operation::other;
    made.reads = reads;
    made.written = written;
    return made;
}

/// rd = f(rn)
Instruction unary(std::uint32_t word) {
    Instruction made = plain(mask_of(rn_of(word)), mask_of(rd_of(word)));
    made.rd = rd_of(word);
    made.rn = rn_of(word);
    return made;
}

/// rd = f(rn, rm)
Instruction binary(std::uint32_t word) {
    Instruction made = unary(word);
    made.rm = rm_of(word);
    made.reads |= mask_of(made.rm);
    return made;
}

/// The value of a logical instruction's immediate; 0, which none has, where it is reserved.
std::uint64_t bitmask_of(bool sf, std::uint32_t n, std::uint32_t immr, std::uint32_t imms) {
    const std::uint32_t combined = n << 6 | (~imms & 0x3f);
    if (combined == 0 || (n != 0 && !sf))
        return 0;
    const auto length = static_cast<std::uint32_t>(std::bit_width(combined)) - 1;
    if (length == 0)
        return 0;
    const std::uint32_t size = 1u << length, levels = size - 1;
    const std::uint32_t ones = (imms & levels) + 1, turn = immr & levels;
    if (ones > levels)
        return 0;
    const std::uint64_t whole = size == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1;
    std::uint64_t element = (std::uint64_t{1} << ones) - 1;
    if (turn != 0)
        element = (element >> turn | element << (size - turn)) & whole;
    for (std::uint32_t at = size; at < 64; at *= 2)
        element |= element << at;
    return sf ? element : element & 0xffffffff;
}

Instruction add_sub_immediate(std::uint32_t word) {
    const bool sf = bit(word, 31), subtracts = bit(word, 30), flags = bit(word, 29), shifted = bit(word, 22);
    Instruction made = unary(word);
    made.sets_flags = flags;
    made.value = std::int64_t{bits(word, 21, 10)} << (shifted ? 12 : 0);
    if (flags && subtracts)
        made.operation = Operation::compare;
    else if (sf && !flags && !subtracts && !shifted && made.rn != kNone && made.rd != kNone)
        made.operation = Operation::add;
    return made;
}

Instruction logical_immediate(std::uint32_t word) {
    const std::uint64_t value = bitmask_of(bit(word, 31), bits(word, 22, 22), bits(word, 21, 16), bits(word, 15, 10));
    if (value == 0)
        return {};
    Instruction made = unary(word);
    const std::uint32_t opcode = bits(word, 30, 29);
    made.sets_flags = opcode == 3;
    if ((opcode == 0 || opcode == 3) && (value & (value + 1)) == 0) {
        made.operation = Operation::mask;
        made.value = static_cast<std::int64_t>(value);
    }
    return made;
}

Instruction move_wide(std::uint32_t word) {
    const std::uint32_t opcode = bits(word, 30, 29);
    if (opcode == 1 || (!bit(word, 31) && bit(word, 22)))
        return {};
    return plain(opcode == 3 ? mask_of(rd_of(word)) : 0, mask_of(rd_of(word)));
}

Instruction bitfield(std::uint32_t word) {
    const bool sf = bit(word, 31);
    const std::uint32_t opcode = bits(word, 30, 29), immr = bits(word, 21, 16), imms = bits(word, 15, 10);
    if (opcode == 3 || bit(word, 22) != sf || (!sf && (immr > 31 || imms > 31)))
        return {};
    Instruction made = unary(word);
    if (opcode == 1) {
        made.reads |= mask_of(made.rd);
        return made;
    }
    const bool whole_bytes = imms == 7 || imms == 15 || imms == 31;
    if (immr == 0 && whole_bytes) {
        made.operation = Operation::extend;
        made.access = static_cast<std::uint8_t>((imms + 1) / 8);
        made.is_signed = opcode == 0;
        made.wide = sf && made.is_signed;
    } else if (opcode == 2 && imms >= immr && imms - immr < 32) {
        made.operation = Operation::mask;
        made.value = (std::int64_t{1} << (imms - immr + 1)) - 1;
        made.shift = static_cast<std::uint8_t>(immr);
    }
    return made;
}

Instruction immediate(std::uint32_t word) {
    switch (bits(word, 25, 23)) {
    case 0:
    case 1: {
        Instruction made = plain(0, mask_of(rd_of(word)));
        const bool page = bit(word, 31);
        made.operation = page ? Operation::adrp : Operation::adr;
        made.field = page ? Field::page21 : Field::adr21;
        made.rd = rd_of(word);
        made.value = extended(bits(word, 23, 5) << 2 | bits(word, 30, 29), 21) * (page ? kPage : 1);
        return made;
    }
    case 2:
        return add_sub_immediate(word);
    case 3: // with tags; minimum and maximum
        if (bit(word, 29) ||
            (bit(word, 22) ? bit(word, 30) || bits(word, 21, 20) != 0 : !bit(word, 31) || bits(word, 15, 14) != 0))
            return {};
        return unary(word);
    case 4:
        return logical_immediate(word);
    case 5:
        return move_wide(word);
    case 6:
        return bitfield(word);
    default: // EXTR
        if (bits(word, 30, 29) != 0 || bit(word, 21) || bit(word, 22) != bit(word, 31) ||
            (!bit(word, 31) && bit(word, 15)))
            return {};
        return binary(word);
    }
}

Instruction exception(std::uint32_t word) {
    const std::uint32_t opcode = bits(word, 23, 21), level = bits(word, 1, 0);
    if (bits(word, 4, 2) != 0)
        return {};
    Instruction made = plain(0, 0);
    if (opcode == 0 && level != 0) { // a system call; MSVC puts `svc #3` behind the last return of a funclet
        made.operation = level == 1 ? Operation::breakpoint : Operation::other;
        return made;
    }
    if (opcode == 1 && level == 0) {
        // Windows' breakpoint, which goes on; all others end the program (clang's 1, __fastfail's 0xf003).
        made.operation = bits(word, 20, 5) == 0xf000 ? Operation::breakpoint : Operation::terminator;
        return made;
    }
    if (opcode == 2 && level == 0)
        return made;
    return {};
}

Instruction hint(std::uint32_t word) {
    const std::uint32_t line = bits(word, 11, 8), which = bits(word, 7, 5);
    Instruction made = plain(0, 0);
    if (line == 0 && which == 0)
        made.operation = Operation::nop;
    else if (line == 1) // PACIA1716 and its like
        made = plain(1u << 16 | 1u << 17, 1u << 17);
    else if (line == 3 || (line == 0 && which == 7)) // PACIASP and its like, XPACLRI
        made = plain(1u << 30, 1u << 30);
    else if (line == 5 && which == 0) // CHKFEAT
        made = plain(1u << 16, 1u << 16);
    return made;
}

Instruction system(std::uint32_t word) {
    const std::uint32_t rt = mask_of(rd_of(word));
    if (bits(word, 23, 22) != 0) // pairs of registers, and what is no instruction
        return {};
    const bool reads_system = bit(word, 21);
    if (bits(word, 20, 19) != 0)
        return reads_system ? plain(0, rt) : plain(rt, 0);
    if (reads_system)
        return {};
    const bool none = rd_of(word) == kNone;
    switch (bits(word, 18, 12)) {
    case 0x31: // WFET, WFIT
        return bits(word, 11, 8) == 0 && bits(word, 7, 5) < 2 ? plain(rt, 0) : Instruction{};
    case 0x32:
        return none ? hint(word) : Instruction{};
    case 0x33: // barriers
        return none ? plain(0, 0) : Instruction{};
    default: { // PSTATE
        Instruction made = plain(0, 0);
        made.sets_flags = true;
        return none && bits(word, 15, 12) == 4 ? made : Instruction{};
    }
    }
}

Instruction branch_register(std::uint32_t word) {
    const std::uint32_t opcode = bits(word, 24, 21), kind = bits(word, 15, 10), last = bits(word, 4, 0);
    if (bits(word, 20, 16) != 31)
        return {};
    const bool signed_zero = (kind == 2 || kind == 3) && last == 31;
    Instruction made = plain(mask_of(rn_of(word)), 0);
    made.rn = rn_of(word);
    switch (opcode) {
    case 0:
    case 1:
        if (!(kind == 0 && last == 0) && !signed_zero)
            return {};
        made.operation = opcode == 0 ? Operation::jump_register : Operation::call_register;
        return made;
    case 2:
        if (!(kind == 0 && last == 0) && !(signed_zero && made.rn == 31))
            return {};
        made.operation = Operation::terminator;
        return made;
    case 4: // ERET, ERETAA, ERETAB
    case 5: // DRPS
        if (made.rn != 31 || (last != 0 && last != 31))
            return {};
        made.operation = Operation::terminator;
        return made;
    case 8:
    case 9:
        if (kind != 2 && kind != 3)
            return {};
        made.reads |= mask_of(last);
        made.operation = opcode == 8 ? Operation::jump_register : Operation::call_register;
        return made;
    default:
        return {};
    }
}

Instruction branch(std::uint32_t word) {
    Instruction made = plain(0, 0);
    if (bits(word, 30, 26) == 5) {
        made.operation = bit(word, 31) ? Operation::call : Operation::branch;
        made.field = Field::branch26;
        made.value = extended(bits(word, 25, 0), 26) * kWord;
        return made;
    }
    made.operation = Operation::conditional;
    made.condition = kNoComparison;
    switch (bits(word, 30, 25)) {
    case 0x1a: // CBZ, CBNZ
        made.reads = mask_of(rd_of(word));
        made.field = Field::branch19;
        made.value = extended(bits(word, 23, 5), 19) * kWord;
        return made;
    case 0x1b: // TBZ, TBNZ
        made.reads = mask_of(rd_of(word));
        made.field = Field::branch14;
        made.value = extended(bits(word, 18, 5), 14) * kWord;
        return made;
    case 0x2a: // B.cond, BC.cond
        if (bit(word, 31))
            break; // exceptions and system instructions
        if (bit(word, 24))
            return {};
        made.condition = static_cast<std::uint8_t>(bits(word, 3, 0));
        made.field = Field::branch19;
        made.value = extended(bits(word, 23, 5), 19) * kWord;
        return made;
    default:
        break;
    }
    switch (word >> 24) {
    case 0xd4:
        return exception(word);
    case 0xd5:
        return system(word);
    case 0xd6:
    case 0xd7:
        return branch_register(word);
    default:
        return {};
    }
}

Instruction simd_structures(std::uint32_t word) {
    const bool single = bit(word, 24), updates = bit(word, 23);
    if (bit(word, 31) || (!single && bit(word, 21)) || (!updates && bits(word, 20, 16) != 0))
        return {};
    const std::uint32_t base = mask_of(rn_of(word));
    return updates ? plain(base | mask_of(rm_of(word)), base) : plain(base, 0);
}

Instruction exclusive(std::uint32_t word) {
    const bool loads = bit(word, 22);
    const std::uint32_t base = mask_of(rn_of(word)), rs = mask_of(rm_of(word)), rt = mask_of(rd_of(word)),
                        rt2 = mask_of(ra_of(word));
    if (!bit(word, 21)) {
        if (bit(word, 23)) // LDAR, STLR
            return loads ? plain(base, rt) : plain(base | rt, 0);
        return loads ? plain(base, rt) : plain(base | rt, rs);
    }
    if (bit(word, 23)) // CAS
        return ra_of(word) == kNone ? plain(base | rs | rt, rs) : Instruction{};
    if (bit(word, 31))
        return loads ? plain(base, rt | rt2) : plain(base | rt | rt2, rs);
    if (ra_of(word) != kNone || bit(word, 16) || bit(word, 0)) // CASP takes even registers
        return {};
    const std::uint32_t olds = rs | mask_of(rm_of(word) + 1u), news = rt | mask_of(rd_of(word) + 1u);
    return plain(base | olds | news, olds);
}

Instruction load_literal(std::uint32_t word) {
    const std::uint32_t opcode = bits(word, 31, 30);
    const bool simd = bit(word, 26);
    if (simd && opcode == 3)
        return {};
    const bool prefetch = !simd && opcode == 3;
    Instruction made = plain(0, simd || prefetch ? 0 : mask_of(rd_of(word)));
    made.operation = Operation::literal;
    made.field = Field::literal19;
    made.rd = simd || prefetch ? kNone : rd_of(word);
    made.value = extended(bits(word, 23, 5), 19) * kWord;
    made.access = static_cast<std::uint8_t>(simd ? 4u << opcode : prefetch ? 0 : opcode == 1 ? 8 : 4);
    return made;
}

/// Loads and stores of release consistency, memory copies, tags, and pairs of atomics.
Instruction load_store_rare(std::uint32_t word) {
    const std::uint32_t rt = mask_of(rd_of(word)), base = mask_of(rn_of(word)), rs = mask_of(rm_of(word));
    const std::uint32_t size = bits(word, 31, 30), opcode = bits(word, 23, 22), last = bits(word, 11, 10);
    if (bit(word, 21)) {
        if (bit(word, 26))
            return {};
        if (size == 3) { // tags
            const bool updates = last == 1 || last == 3;
            if (last == 0 && opcode == 1)
                return plain(base | rt, rt);
            if (last == 0 && opcode == 3)
                return plain(base, rt);
            return plain(base | rt, updates ? base : 0);
        }
        if (size == 0 && last == 0) // LDCLRP, LDSETP, SWPP
            return plain(base | rt | rs, rt | rs);
        return {};
    }
    if (last == 1) // CPY, SET
        return size == 0 ? plain(rt | rs | base, rt | rs | base) : Instruction{};
    if (bit(word, 26))
        return last == 2 ? plain(base, 0) : Instruction{};
    if (last == 0) {
        if ((size == 3 && opcode >= 2) || (size == 2 && opcode == 3))
            return {};
        return opcode == 0 ? plain(base | rt, 0) : plain(base, rt);
    }
    return {};
}

Instruction load_store_pair(std::uint32_t word) {
    const std::uint32_t opcode = bits(word, 31, 30), mode = bits(word, 24, 23);
    const bool simd = bit(word, 26), loads = bit(word, 22);
    if (opcode == 3 || (!simd && opcode == 1 && mode == 0))
        return {};
    const std::uint32_t base = mask_of(rn_of(word));
    const std::uint32_t data = simd ? 0 : mask_of(rd_of(word)) | mask_of(ra_of(word));
    const std::uint32_t updated = mode == 1 || mode == 3 ? base : 0;
    return loads ? plain(base, data | updated) : plain(base | data, updated);
}

/// What opc and size of a load or store say.
struct Transfer {
    bool valid = false;
    bool stores = false;
    bool prefetches = false;
    bool is_signed = false;
    bool wide = false;       ///< sign-extended to 64 bits
    std::uint8_t access = 0; ///< bytes
};

Transfer transfer_of(std::uint32_t word) {
    const std::uint32_t size = bits(word, 31, 30), opcode = bits(word, 23, 22);
    Transfer made;
    if (bit(word, 26)) {
        made.valid = opcode < 2 || size == 0;
        made.stores = (opcode & 1) == 0;
        made.access = static_cast<std::uint8_t>(opcode < 2 ? 1u << size : 16);
        return made;
    }
    made.access = static_cast<std::uint8_t>(1u << size);
    made.stores = opcode == 0;
    made.is_signed = opcode >= 2;
    made.wide = opcode == 2;
    made.prefetches = size == 3 && opcode == 2;
    made.valid = !(size == 3 && opcode == 3) && !(size == 2 && opcode == 3);
    return made;
}

Instruction atomic(std::uint32_t word) {
    if (bit(word, 26))
        return {};
    const std::uint32_t rs = mask_of(rm_of(word)), rt = mask_of(rd_of(word)), base = mask_of(rn_of(word));
    if (bit(word, 15)) {
        switch (bits(word, 14, 12)) {
        case 0: // SWP
            return plain(base | rs, rt);
        case 4: // LDAPR
            return bit(word, 23) && !bit(word, 22) && rm_of(word) == kNone ? plain(base, rt) : Instruction{};
        case 1: // ST64B
        case 5: // LD64B
        case 2: // ST64BV0
        case 3: // ST64BV
        {
            if (bits(word, 31, 30) != 3 || bits(word, 23, 22) != 0 || rd_of(word) > 22 || (word & 1) != 0)
                return {};
            const std::uint32_t eight = 0xffu << rd_of(word);
            return bits(word, 14, 12) == 5 ? plain(base, eight) : plain(base | eight, rs);
        }
        default:
            return {};
        }
    }
    return plain(base | rs, rt);
}

Instruction load_store(std::uint32_t word) {
    const Transfer transfer = transfer_of(word);
    const bool simd = bit(word, 26);
    const std::uint32_t base = mask_of(rn_of(word));
    const std::uint32_t data = simd || transfer.prefetches ? 0 : mask_of(rd_of(word));
    Instruction made = transfer.stores ? plain(base | data, 0) : plain(base, data);
    made.rn = rn_of(word);
    made.rd = simd || transfer.prefetches ? kNone : rd_of(word);
    made.access = transfer.access;
    made.stores = transfer.stores;
    made.is_signed = transfer.is_signed;
    made.wide = transfer.wide;
    const bool pointer = transfer.access == 8 && !transfer.stores && !transfer.prefetches && !simd;
    if (bit(word, 24)) {
        if (!transfer.valid)
            return {};
        made.operation = Operation::memory;
        made.value = std::int64_t{bits(word, 21, 10)} * transfer.access;
        return made;
    }
    const std::uint32_t last = bits(word, 11, 10);
    if (bit(word, 21)) {
        if (last == 0)
            return atomic(word);
        if ((last & 1) != 0) { // LDRAA, LDRAB
            if (bits(word, 31, 30) != 3 || simd)
                return {};
            made = plain(base, mask_of(rd_of(word)) | (bit(word, 11) ? base : 0));
            made.operation = Operation::load;
            made.rd = rd_of(word);
            return made;
        }
        const std::uint32_t option = bits(word, 15, 13);
        if (!transfer.valid || (option & 2) == 0)
            return {};
        made.rm = rm_of(word);
        made.reads |= mask_of(made.rm);
        const bool scaled = bit(word, 12);
        if (pointer)
            made.operation = Operation::load;
        else if (!simd && !transfer.stores && !transfer.prefetches) {
            made.operation = Operation::indexed_load;
            made.shift = static_cast<std::uint8_t>(scaled ? bits(word, 31, 30) : 0);
        }
        return made;
    }
    if (!transfer.valid || (simd && last == 2) || (transfer.prefetches && last != 0))
        return {};
    if (last == 1 || last == 3)
        made.written |= base;
    if (pointer)
        made.operation = Operation::load;
    return made;
}

Instruction memory_access(std::uint32_t word) {
    switch (bits(word, 29, 27)) {
    case 1: // 00x1
        if (bit(word, 26))
            return simd_structures(word);
        return bit(word, 24) ? Instruction{} : exclusive(word);
    case 3:
        return bit(word, 24) ? load_store_rare(word) : load_literal(word);
    case 5:
        return load_store_pair(word);
    case 7:
        return load_store(word);
    default:
        return {};
    }
}

Instruction memory(std::uint32_t word) {
    Instruction made = memory_access(word);
    if (made.operation != Operation::invalid && made.operation != Operation::literal) {
        made.accesses = true;
        made.rn = rn_of(word);
    }
    return made;
}

Instruction logical_register(std::uint32_t word) {
    const bool sf = bit(word, 31);
    if (!sf && bit(word, 15))
        return {};
    Instruction made = binary(word);
    made.sets_flags = bits(word, 30, 29) == 3;
    if (bits(word, 30, 29) == 1 && !bit(word, 21) && made.rn == kNone && bits(word, 15, 10) == 0 &&
        bits(word, 23, 22) == 0) {
        made.operation = sf ? Operation::copy : Operation::extend;
        made.rn = made.rm;
        made.rm = kNone;
        made.access = sf ? 8 : 4;
    }
    return made;
}

Instruction add_sub_register(std::uint32_t word) {
    const bool sf = bit(word, 31), adds = sf && bits(word, 30, 29) == 0;
    const std::uint32_t kind = bits(word, 23, 22);
    Instruction made = binary(word);
    made.sets_flags = bit(word, 29);
    if (bit(word, 21)) {
        const std::uint32_t option = bits(word, 15, 13), shift = bits(word, 12, 10);
        if (kind != 0 || shift > 4)
            return {};
        if (adds && made.rn != kNone) {
            made.operation = Operation::add_register;
            made.access = static_cast<std::uint8_t>(1u << (option & 3));
            made.is_signed = option >= 4;
            made.shift = static_cast<std::uint8_t>(shift);
        }
        return made;
    }
    if (kind == 3 || (!sf && bit(word, 15)))
        return {};
    if (adds && kind == 0 && made.rn != kNone) {
        made.operation = Operation::add_register;
        made.access = 8;
        made.shift = static_cast<std::uint8_t>(bits(word, 15, 10));
    }
    return made;
}

Instruction conditional_compare(std::uint32_t word) {
    if (!bit(word, 29) || bit(word, 10) || bit(word, 4))
        return {};
    Instruction made = plain(mask_of(rn_of(word)) | (bit(word, 11) ? 0 : mask_of(rm_of(word))), 0);
    made.sets_flags = true;
    return made;
}

Instruction with_carry(std::uint32_t word) {
    const std::uint32_t kind = bits(word, 15, 10);
    Instruction made;
    if (kind == 0)
        made = binary(word);
    else if (bits(word, 31, 29) == 5 && bits(word, 14, 10) == 1 && !bit(word, 4)) // RMIF
        made = plain(mask_of(rn_of(word)), 0);
    else if (bits(word, 31, 29) == 1 && bits(word, 20, 15) == 0 && bits(word, 13, 10) == 2 && bits(word, 4, 0) == 13)
        made = plain(mask_of(rn_of(word)), 0); // SETF8, SETF16
    else
        return {};
    made.sets_flags = bit(word, 29);
    return made;
}

Instruction one_or_two_sources(std::uint32_t word) {
    const std::uint32_t opcode = bits(word, 15, 10);
    const bool sf = bit(word, 31);
    if (!bit(word, 30)) {
        if (bit(word, 29)) {
            Instruction made = binary(word);
            made.sets_flags = true;
            return sf && opcode == 0 ? made : Instruction{}; // SUBPS
        }
        const bool known = opcode == 2 || opcode == 3 || (opcode >= 8 && opcode <= 11) ||
                           (opcode >= 16 && opcode <= 23 && sf == ((opcode & 3) == 3)) ||
                           (opcode >= 24 && opcode <= 27) ||
                           (sf && (opcode == 0 || opcode == 4 || opcode == 5 || opcode == 12));
        return known ? binary(word) : Instruction{};
    }
    if (bit(word, 29))
        return {};
    const std::uint32_t kind = bits(word, 20, 16);
    if (kind == 0)
        return opcode <= 8 && (sf || opcode != 3) ? unary(word) : Instruction{};
    if (kind == 1 && sf && opcode <= 17) { // pointer authentication
        Instruction made = unary(word);
        made.reads |= mask_of(made.rd);
        return made;
    }
    return {};
}

Instruction three_sources(std::uint32_t word) {
    const std::uint32_t kind = bits(word, 23, 21);
    const bool sf = bit(word, 31), subtracts = bit(word, 15);
    const bool known = kind == 0 || (sf && (kind == 1 || kind == 5)) || (sf && !subtracts && (kind == 2 || kind == 6));
    if (bits(word, 30, 29) != 0 || !known)
        return {};
    Instruction made = binary(word);
    if (kind != 2 && kind != 6) // SMULH, UMULH
        made.reads |= mask_of(ra_of(word));
    return made;
}

Instruction registers(std::uint32_t word) {
    if (!bit(word, 28))
        return bit(word, 24) ? add_sub_register(word) : logical_register(word);
    if (bit(word, 24))
        return three_sources(word);
    switch (bits(word, 23, 21)) {
    case 0:
        return with_carry(word);
    case 2:
        return conditional_compare(word);
    case 4: {
        if (bit(word, 29) || bit(word, 11))
            return {};
        Instruction made = binary(word);
        // CSEL; the others change what they choose
        if (!bit(word, 30) && !bit(word, 10) && bit(word, 31))
            made.operation = Operation::choose;
        return made;
    }
    case 6:
        return one_or_two_sources(word);
    default:
        return {};
    }
}

/// Conversions between general and floating-point registers.
Instruction conversion(std::uint32_t word) {
    const std::uint32_t mode = bits(word, 20, 19), opcode = bits(word, 18, 16);
    const std::uint32_t rn = mask_of(rn_of(word)), rd = mask_of(rd_of(word));
    if (!bit(word, 21)) {
        if (mode == 0 && (opcode == 2 || opcode == 3))
            return plain(rn, 0);
        return mode == 3 && opcode < 2 ? plain(0, rd) : Instruction{};
    }
    switch (opcode) {
    case 0:
    case 1:
        return plain(0, rd);
    case 2:
    case 3:
        return mode == 0 ? plain(rn, 0) : Instruction{};
    case 4:
    case 5:
        return mode == 0 ? plain(0, rd) : Instruction{};
    case 6:
        return plain(0, rd); // FMOV; FJCVTZS
    default:
        return mode < 2 ? plain(rn, 0) : Instruction{};
    }
}

Instruction floating(std::uint32_t word) {
    if (bits(word, 30, 24) == 0x1e && (!bit(word, 21) || bits(word, 15, 10) == 0)) {
        Instruction made = conversion(word);
        // FJCVTZS sets flags
        made.sets_flags = bits(word, 20, 16) == 0x1e;
        return made;
    }
    if (bit(word, 31)) // SHA3, SM3, SM4
        return word >> 24 == 0xce ? plain(0, 0) : Instruction{};
    if (bits(word, 28, 21) == 0x70 && !bit(word, 15) && bit(word, 10) && !bit(word, 29)) {
        switch (bits(word, 14, 11)) {
        case 1: // DUP
        case 3: // INS
            return plain(mask_of(rn_of(word)), 0);
        case 5: // SMOV
        case 7: // UMOV
            return plain(0, mask_of(rd_of(word)));
        default:
            break;
        }
    }
    Instruction made = plain(0, 0);
    // FCMP, FCCMP and their like
    made.sets_flags = bits(word, 30, 24) == 0x1e && bit(word, 21);
    return made;
}

} // namespace

Instruction instruction_of(std::uint32_t word) {
    switch (bits(word, 28, 25)) {
    case 0x8:
    case 0x9:
        return immediate(word);
    case 0xa:
    case 0xb:
        return branch(word);
    case 0x4:
    case 0x6:
    case 0xc:
    case 0xe:
        return memory(word);
    case 0x5:
    case 0xd:
        return registers(word);
    case 0x7:
    case 0xf:
        return floating(word);
    case 0x2: {
        // General registers that SVE writes stand in the lowest field.
        Instruction made =
            plain(mask_of(rn_of(word)) | mask_of(rm_of(word)) | mask_of(rd_of(word)), mask_of(rd_of(word)));
        made.operation = Operation::scalable;
        made.sets_flags = true;
        return made;
    }
    default:
        break;
    }
    Instruction made;
    if (word >> 16 == 0) { // UDF
        made = plain(0, 0);
        made.operation = Operation::terminator;
    }
    return made;
}

} // namespace suture::program::arm64
