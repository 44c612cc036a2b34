#include "patchgen/prove/arm64/instruction.hpp"

// Which general registers an instruction reads and writes, by the encoding groups of the Arm ARM, C4.1. Each group
// either gives exact sets or nothing; groups that compilers do not use give nothing.

namespace suture::prove::arm64 {

namespace {

constexpr std::uint32_t bits(std::uint32_t word, unsigned low, unsigned count) {
    return word >> low & ((1u << count) - 1);
}

constexpr Registers one(std::uint32_t number) {
    return number == kZero ? 0 : 1u << number;
}

constexpr Registers rd(std::uint32_t word) {
    return one(bits(word, 0, 5));
}
constexpr Registers rn(std::uint32_t word) {
    return one(bits(word, 5, 5));
}
constexpr Registers ra(std::uint32_t word) {
    return one(bits(word, 10, 5));
}
constexpr Registers rm(std::uint32_t word) {
    return one(bits(word, 16, 5));
}

constexpr Registers kLink = 1u << 30;
constexpr Registers kArguments = 0x3ffff; // x0 to x17
constexpr Registers kSystemCall = 0x1ff;  // x0 to x8

using Known = std::optional<RegisterUse>;

Known immediate_group(std::uint32_t word) {
    switch (bits(word, 23, 3)) {
    case 0:
    case 1: // adr, adrp
        return RegisterUse{0, rd(word)};
    case 2: // add, sub
    case 4: // and, orr, eor
        return RegisterUse{rn(word), rd(word)};
    case 5: // movn, movz, movk
        return RegisterUse{bits(word, 29, 2) == 3 ? rd(word) : 0, rd(word)};
    case 6: // sbfm, bfm, ubfm
        return RegisterUse{rn(word) | (bits(word, 29, 2) == 1 ? rd(word) : 0), rd(word)};
    case 7: // extr
        return RegisterUse{rn(word) | rm(word), rd(word)};
    default:
        return std::nullopt;
    }
}

Known branch_group(std::uint32_t word) {
    if ((word & 0xff000000) == 0x54000000)
        return RegisterUse{};
    if ((word & 0x7c000000) == 0x14000000)
        return RegisterUse{0, word >> 31 ? kLink : 0};
    if ((word & 0x7c000000) == 0x34000000) // cbz, cbnz, tbz, tbnz
        return RegisterUse{rd(word), 0};
    if ((word & 0xfe000000) == 0xd6000000) {
        // With pointer authentication the last field is the modifier; without, it is 0 and not used.
        const Registers modifier = bits(word, 11, 1) && bits(word, 24, 1) ? rd(word) : 0;
        return RegisterUse{rn(word) | modifier, bits(word, 21, 3) == 1 ? kLink : 0};
    }
    if ((word & 0xff000000) == 0xd4000000) {   // svc, brk and others
        if ((word & 0xffe0001f) == 0xd4000001) // Windows takes the number of a system call from the svc itself
            return RegisterUse{kSystemCall, 0};
        if ((word & 0xffe0001f) == 0xd4200000) {
            // Of Windows' own, __fastfail takes a code, and the services of a debugger take arguments; all others, and
            // the traps of compilers, say nothing but where they are.
            const std::uint32_t number = bits(word, 5, 16);
            const bool takes_arguments = number == 0xf001 || number == 0xf002;
            return RegisterUse{number == 0xf003 ? Registers{1} : takes_arguments ? kArguments : 0, 0};
        }
        return RegisterUse{kArguments, 0};
    }
    if ((word & 0xfffff01f) == 0xd503201f) { // hints
        const std::uint32_t hint = bits(word, 5, 7);
        if (hint >= 7 && hint < 16) // pointer authentication of x17 and x30
            return RegisterUse{3u << 16 | kLink, 0};
        if (hint == 40) // chkfeat
            return RegisterUse{1u << 16, 1u << 16};
        return RegisterUse{hint >= 24 && hint < 32 ? kLink : 0, 0};
    }
    if ((word & 0xffc00000) == 0xd5000000) // barriers, msr, mrs, sys
        return bits(word, 21, 1) ? RegisterUse{0, rd(word)} : RegisterUse{rd(word), 0};
    return std::nullopt;
}

Known exclusive_group(std::uint32_t word) {
    const bool load = bits(word, 22, 1);
    const std::uint32_t size = word >> 30;
    const Registers status = rm(word);
    switch (bits(word, 23, 1) << 1 | bits(word, 21, 1)) {
    case 0: // stxr, ldxr
        return load ? RegisterUse{rn(word), rd(word)} : RegisterUse{rd(word) | rn(word), status};
    case 1:
        if (size < 2) // casp: pairs of registers
            return std::nullopt;
        return load ? RegisterUse{rn(word), rd(word) | ra(word)} : RegisterUse{rd(word) | ra(word) | rn(word), status};
    case 2: // stlr, ldar
        return load ? RegisterUse{rn(word), rd(word)} : RegisterUse{rd(word) | rn(word), 0};
    default: // cas
        return RegisterUse{status | rd(word) | rn(word), status};
    }
}

Known register_group(std::uint32_t word) {
    const bool vector = bits(word, 26, 1);
    const std::uint32_t opc = bits(word, 22, 2);
    const bool is_prefetch = !vector && word >> 30 == 3 && opc == 2;
    const bool store = vector ? !(opc & 1) : opc == 0;
    Known use = RegisterUse{rn(word), 0};
    if (!vector && !is_prefetch)
        (store ? use->reads : use->writes) |= rd(word);
    if (bits(word, 24, 1))
        return use;
    if (!bits(word, 21, 1)) {
        if (bits(word, 10, 1)) // pre- and post-index
            use->writes |= rn(word);
        return use;
    }
    switch (bits(word, 10, 2)) {
    case 0: // atomics
        if (vector)
            return std::nullopt;
        if (bits(word, 15, 1) && bits(word, 12, 3) != 0 && bits(word, 12, 3) != 4) {
            // st64b, st64bv0, st64bv and ld64b: eight registers, from an even one on
            const Registers eight = (0xffu << bits(word, 0, 5)) & 0x7fffffff;
            if (bits(word, 12, 3) == 5)
                return RegisterUse{rn(word), bits(word, 0, 5) > 22 ? 0 : eight};
            return RegisterUse{rn(word) | eight, bits(word, 12, 3) == 1 ? 0 : rm(word)};
        }
        return RegisterUse{rn(word) | rm(word), rd(word)};
    case 2:
        use->reads |= rm(word);
        return use;
    default:
        return std::nullopt;
    }
}

Known memory_group(std::uint32_t word) {
    const bool vector = bits(word, 26, 1);
    switch (bits(word, 28, 2)) {
    case 0:
        if (!vector)
            return bits(word, 24, 1) ? std::nullopt : exclusive_group(word);
        if (word >> 31) // not for vectors
            return std::nullopt;
        if (bits(word, 23, 1)) // post-index
            return RegisterUse{rn(word) | rm(word), rn(word)};
        return RegisterUse{rn(word), 0};
    case 1:
        if (!bits(word, 24, 1)) // literals
            return RegisterUse{0, vector || word >> 30 == 3 ? 0 : rd(word)};
        if (vector || bits(word, 21, 1) || bits(word, 10, 2))
            return std::nullopt;
        // ldapur, stlur
        return bits(word, 22, 2) == 0 ? RegisterUse{rn(word) | rd(word), 0} : RegisterUse{rn(word), rd(word)};
    case 2: { // pairs
        const bool load = bits(word, 22, 1);
        const Registers values = vector ? 0 : rd(word) | ra(word);
        RegisterUse use{rn(word), 0};
        (load ? use.writes : use.reads) |= values;
        if (bits(word, 23, 1)) // pre- and post-index
            use.writes |= rn(word);
        return use;
    }
    default:
        return register_group(word);
    }
}

Known operation_group(std::uint32_t word) {
    const RegisterUse two{rn(word) | rm(word), rd(word)};
    if (!bits(word, 28, 1)) // logical, add, sub
        return two;
    const std::uint32_t kind = bits(word, 21, 4);
    if (kind >= 8) // madd and others
        return RegisterUse{two.reads | ra(word), rd(word)};
    switch (kind) {
    case 0: // adc, sbc; rmif and setf write no register
        return bits(word, 10, 6) == 0 ? Known(two) : std::nullopt;
    case 2: // ccmp, ccmn
        return RegisterUse{rn(word) | (bits(word, 11, 1) ? 0 : rm(word)), 0};
    case 4: // csel and others
        return two;
    case 6:
        if (!bits(word, 30, 1))
            return two;
        return RegisterUse{rn(word) | (bits(word, 16, 5) ? rd(word) : 0), rd(word)};
    default:
        return std::nullopt;
    }
}

Known vector_group(std::uint32_t word) {
    if ((word & 0x7f000000) == 0x1e000000) { // scalar floating point
        const bool to_integer_rounding = bits(word, 21, 1) && bits(word, 10, 6) == 0;
        const bool fixed_point = !bits(word, 21, 1);
        if (!to_integer_rounding && !fixed_point)
            return RegisterUse{};
        const std::uint32_t opcode = bits(word, 16, 3);
        const bool from_general = opcode == 2 || opcode == 3 || (opcode == 7 && !fixed_point);
        return from_general ? RegisterUse{rn(word), 0} : RegisterUse{0, rd(word)};
    }
    if ((word & 0xbfe08400) == 0x0e000400) { // dup, ins, smov, umov of general registers
        switch (bits(word, 11, 4)) {
        case 1:
        case 3:
            return RegisterUse{rn(word), 0};
        case 5:
        case 7:
            return RegisterUse{0, rd(word)};
        default:
            return RegisterUse{};
        }
    }
    return RegisterUse{};
}

Known known_use(std::uint32_t word) {
    switch (bits(word, 25, 4)) {
    case 8:
    case 9:
        return immediate_group(word);
    case 10:
    case 11:
        return branch_group(word);
    case 4:
    case 6:
    case 12:
    case 14:
        return memory_group(word);
    case 5:
    case 13:
        return operation_group(word);
    case 7:
    case 15:
        return vector_group(word);
    default:
        return std::nullopt;
    }
}

} // namespace

RegisterUse registers_of(std::uint32_t word) {
    if (const Known use = known_use(word))
        return *use;
    // Some instructions use the register that follows one that they name.
    Registers reads = rd(word) | rn(word) | ra(word) | rm(word);
    reads |= (reads << 1 | reads >> 1) & 0x7fffffff;
    return {reads, 0};
}

} // namespace suture::prove::arm64
