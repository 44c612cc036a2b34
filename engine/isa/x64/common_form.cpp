#include "engine/isa/x64/common_form.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace suture::isa::x64 {

namespace {

using Kind = CommonForm::Kind;
using Access = CommonForm::Access;

/// Longest instruction, in bytes.
constexpr std::size_t kMaxLength = 15;

// What an opcode is followed by, 16 to a row:
//   .  not common    n  nothing       i  imm8          z  imm32, or imm16 with 66     v  likewise, or imm64 with REX.W
//   m  ModRM         b  ModRM, imm8   w  ModRM, imm32 or imm16                        l  ModRM of memory (LEA)
//   0  ModRM with reg 0, imm8         1  ModRM with reg 0, imm32 or imm16
//   3  ModRM, imm8 where reg is 0     4  ModRM, imm32 or imm16 where reg is 0; reg 1 is not common for both
//   5  ModRM with reg 0 or 1          6  ModRM with reg 0, 1 or 6; o where it is 2 or 4
//   o  ModRM, and has to be decoded (MOVSXD, indirect calls and jumps, NOP)
//   s  ModRM with another reg than 6, imm8            t  ModRM with another reg than 6
//   j  rel8, jump    J  rel32, jump   c  rel8, conditional    C  rel32, conditional   k  rel32, call
//   r  ret           x  int3
constexpr std::string_view kOneByte = "mmmmiz..mmmmiz.."     // 00
                                      "mmmmiz..mmmmiz.."     // 10
                                      "mmmmiz..mmmmiz.."     // 20
                                      "mmmmiz..mmmmiz.."     // 30
                                      "................"     // 40
                                      "nnnnnnnnnnnnnnnn"     // 50
                                      "...o....zwib...."     // 60
                                      "cccccccccccccccc"     // 70
                                      "bw.bmmmmmmmm.l.."     // 80
                                      ".nnnnnnnnn......"     // 90
                                      "........iz......"     // a0
                                      "iiiiiiiivvvvvvvv"     // b0
                                      "ss.r..01....x..."     // c0
                                      "tttt............"     // d0
                                      "........kJ.j...."     // e0
                                      "......34......56";    // f0
constexpr std::string_view kTwoBytes = "................"    // 00
                                       "mm..mm.........o"    // 10
                                       "........mm....mm"    // 20
                                       "................"    // 30
                                       "mmmmmmmmmmmmmmmm"    // 40
                                       ".m..mmmmmm..mmmm"    // 50
                                       "................"    // 60
                                       "................"    // 70
                                       "CCCCCCCCCCCCCCCC"    // 80
                                       "mmmmmmmmmmmmmmmm"    // 90
                                       "...mbm.....mbm.m"    // a0
                                       "mm.m..mm...mmmmm"    // b0
                                       "mm....b.nnnnnnnn"    // c0
                                       "................"    // d0
                                       "................"    // e0
                                       "................";   // f0
constexpr std::string_view kTwoBytes66 = "................"  // 00
                                         "mm..mm.........."  // 10
                                         "........mm....mm"  // 20
                                         "................"  // 30
                                         "mmmmmmmmmmmmmmmm"  // 40
                                         ".m..mmmmmm..mmmm"  // 50
                                         "mmmmmmmmmmmmmmmm"  // 60
                                         "b...mmm.......mm"  // 70
                                         "................"  // 80
                                         "................"  // 90
                                         "...mbm.....mbm.m"  // a0
                                         "mm.m..mm...mmmmm"  // b0
                                         "mm....b........."  // c0
                                         ".mmmmm..mmmmmmmm"  // d0
                                         "mmmmmm..mmmmmmmm"  // e0
                                         ".mmmmmm.mmmmmmm."; // f0
constexpr std::string_view kTwoBytesF3 = "................"  // 00
                                         "mm.............."  // 10
                                         "..........m.mm.."  // 20
                                         "................"  // 30
                                         "................"  // 40
                                         ".m......mm..mmmm"  // 50
                                         "...............m"  // 60
                                         "b.............mm"  // 70
                                         "................"  // 80
                                         "................"  // 90
                                         "................"  // a0
                                         "........m...mm.."  // b0
                                         "................"  // c0
                                         "................"  // d0
                                         "................"  // e0
                                         "................"; // f0
constexpr std::string_view kTwoBytesF2 = "................"  // 00
                                         "mm.............."  // 10
                                         "..........m.mm.."  // 20
                                         "................"  // 30
                                         "................"  // 40
                                         ".m......mm..mmmm"  // 50
                                         "................"  // 60
                                         "b..............."  // 70
                                         "................"  // 80
                                         "................"  // 90
                                         "................"  // a0
                                         "................"  // b0
                                         "................"  // c0
                                         "................"  // d0
                                         "................"  // e0
                                         "................"; // f0
static_assert(kOneByte.size() == 256 && kTwoBytes.size() == 256 && kTwoBytes66.size() == 256 &&
              kTwoBytesF3.size() == 256 && kTwoBytesF2.size() == 256);

enum class Prefix : std::uint8_t { none, size, repeat, repeat_not };

/// Of one instruction, what its bytes say in front of its operands.
struct Head {
    Prefix prefix = Prefix::none;
    bool wide = false; ///< REX.W
    bool two_bytes = false;
    std::uint8_t opcode = 0;
};

struct Memory {
    Access access = Access::address;
    std::uint8_t size = 0;
};

/// Bytes of a general register as the prefixes say.
std::uint8_t general_size(const Head& head) {
    return head.wide ? 8 : head.prefix == Prefix::size ? 2 : 4;
}

std::optional<Memory> one_byte_memory(const Head& head, std::uint8_t reg) {
    const std::uint8_t op = head.opcode;
    const std::uint8_t size = (op & 1) != 0 ? general_size(head) : 1;
    if (op < 0x40) // add, or, adc, sbb, and, sub, xor, cmp
        return Memory{(op & 2) != 0 || op >= 0x38 ? Access::read : Access::write, size};
    switch (op) {
    case 0x69: // imul
    case 0x6b:
        return Memory{Access::read, general_size(head)};
    case 0x80: // as below 40
    case 0x81:
    case 0x83:
        return Memory{reg == 7 ? Access::read : Access::write, size};
    case 0x84: // test
    case 0x85:
    case 0x8a: // mov
    case 0x8b:
        return Memory{Access::read, size};
    case 0x8d:
        return Memory{};
    case 0xf6: // test, not, neg, mul, div
    case 0xf7:
        return Memory{reg == 2 || reg == 3 ? Access::write : Access::read, size};
    case 0xff: // inc, dec, push
        return reg == 6 ? std::nullopt : std::optional(Memory{Access::write, size});
    default: // xchg, mov, shifts
        return Memory{Access::write, size};
    }
}

std::optional<Memory> two_byte_memory(const Head& head, std::uint8_t reg_size) {
    const std::uint8_t op = head.opcode;
    const std::uint8_t row = op >> 4;
    const bool scalar = head.prefix == Prefix::repeat || head.prefix == Prefix::repeat_not;
    const std::uint8_t scalar_size = head.prefix == Prefix::repeat ? 4 : 8;
    switch (op) {
    case 0x11: // movups and its like
        return Memory{Access::write, scalar ? scalar_size : std::uint8_t{16}};
    case 0x29:
    case 0x7f:
        return Memory{Access::write, 16};
    case 0x28:
    case 0x6f:
    case 0x70:
    case 0xc6:
        return Memory{Access::read, 16};
    case 0x2a: // from a general register
    case 0x6e:
        return Memory{Access::read, head.wide ? std::uint8_t{8} : std::uint8_t{4}};
    case 0x2e: // comiss, comisd
    case 0x2f:
        return Memory{Access::read, head.prefix == Prefix::size ? std::uint8_t{8} : std::uint8_t{4}};
    case 0x7e: // movd, movq
        if (head.prefix == Prefix::repeat)
            return Memory{Access::read, 8};
        return Memory{Access::write, head.wide ? std::uint8_t{8} : std::uint8_t{4}};
    case 0xaf: // imul, popcnt, bsf, bsr
    case 0xb8:
    case 0xbc:
    case 0xbd:
        return Memory{Access::read, reg_size};
    case 0xb0: // cmpxchg, xadd
    case 0xc0:
        return Memory{Access::write, 1};
    case 0xb1:
    case 0xc1:
        return Memory{Access::write, reg_size};
    case 0xb6: // movzx, movsx
    case 0xbe:
        return Memory{Access::read, 1};
    case 0xb7:
    case 0xbf:
        return Memory{Access::read, 2};
    default:
        break;
    }
    if (row == 4) // cmov
        return Memory{Access::read, reg_size};
    if (row == 9) // set
        return Memory{Access::write, 1};
    if (row == 1 || row == 2 || row == 5)
        return Memory{Access::read, scalar ? scalar_size : std::uint8_t{16}};
    if (row == 6 || row == 7 || row >= 0xd)
        return Memory{Access::read, 16};
    return std::nullopt;
}

std::string_view table_of(const Head& head) {
    if (!head.two_bytes)
        return head.prefix == Prefix::none || head.prefix == Prefix::size ? kOneByte : std::string_view();
    switch (head.prefix) {
    case Prefix::none:
        return kTwoBytes;
    case Prefix::size:
        return kTwoBytes66;
    case Prefix::repeat:
        return kTwoBytesF3;
    case Prefix::repeat_not:
        break;
    }
    return kTwoBytesF2;
}

CommonForm branch(Kind kind, std::size_t at, std::uint8_t size) {
    const auto head = static_cast<std::uint8_t>(at);
    return {kind, static_cast<std::uint8_t>(at + size), head, head, size, Access::address, 0};
}

CommonForm plain(std::size_t head, std::size_t rest) {
    return {
        .kind = Kind::plain, .length = static_cast<std::uint8_t>(head + rest), .head = static_cast<std::uint8_t>(head)};
}

/// What lies behind the opcode: a ModRM byte at `at`, and as many bytes of an immediate. `decodes`: see 'o'.
CommonForm with_operand(const Head& head, const std::uint8_t* bytes, std::size_t at, std::size_t immediate,
                        bool decodes = false) {
    const std::uint8_t modrm = bytes[at++];
    const std::uint8_t mod = modrm >> 6;
    const bool has_index = mod != 3 && (modrm & 7) == 4;
    const bool has_base = has_index ? (bytes[at] & 7) != 5 || mod != 0 : (modrm & 7) != 5 || mod != 0;
    at += has_index;
    const std::size_t displacement = mod == 1 ? 1 : mod == 2 || (mod == 0 && !has_base) ? 4 : 0;
    if (decodes)
        return {.length = static_cast<std::uint8_t>(at + displacement), .head = static_cast<std::uint8_t>(at)};
    if (mod != 0 || has_base || has_index)
        return plain(at, displacement + immediate);
    const auto memory =
        head.two_bytes ? two_byte_memory(head, general_size(head)) : one_byte_memory(head, modrm >> 3 & 7);
    if (!memory)
        return {};
    const auto field = static_cast<std::uint8_t>(at);
    const auto length = static_cast<std::uint8_t>(at + displacement + immediate);
    return {Kind::memory, length, field, field, 4, memory->access, memory->size};
}

/// Likewise, for a form whose ModRM byte says more of it.
CommonForm by_operand(const Head& head, char what, const std::uint8_t* bytes, std::size_t at) {
    const std::size_t wide_immediate = head.prefix == Prefix::size ? 2 : 4;
    const std::uint8_t mod = bytes[at] >> 6;
    const std::uint8_t reg = bytes[at] >> 3 & 7;
    switch (what) {
    case 'b':
        return with_operand(head, bytes, at, 1);
    case 'w':
        return with_operand(head, bytes, at, wide_immediate);
    case 'l':
        return mod == 3 ? CommonForm{} : with_operand(head, bytes, at, 0);
    case '0':
        return reg != 0 ? CommonForm{} : with_operand(head, bytes, at, 1);
    case '1':
        return reg != 0 ? CommonForm{} : with_operand(head, bytes, at, wide_immediate);
    case '3':
        return reg == 1 ? CommonForm{} : with_operand(head, bytes, at, reg != 0 ? 0 : 1);
    case '4':
        return reg == 1 ? CommonForm{} : with_operand(head, bytes, at, reg != 0 ? 0 : wide_immediate);
    case '5':
        return reg > 1 ? CommonForm{} : with_operand(head, bytes, at, 0);
    case '6':
        if (reg == 3 || reg == 5 || reg == 7)
            return {};
        return with_operand(head, bytes, at, 0, reg == 2 || reg == 4);
    case 's':
        return reg == 6 ? CommonForm{} : with_operand(head, bytes, at, 1);
    case 't':
        return reg == 6 ? CommonForm{} : with_operand(head, bytes, at, 0);
    default: // o
        return with_operand(head, bytes, at, 0, true);
    }
}

/// `bytes` has at least kMaxLength bytes.
CommonForm form_of(const std::uint8_t* bytes) {
    Head head;
    std::size_t at = 0;
    if (bytes[at] == 0x66)
        head.prefix = Prefix::size, ++at;
    else if (bytes[at] == 0xf3)
        head.prefix = Prefix::repeat, ++at;
    else if (bytes[at] == 0xf2)
        head.prefix = Prefix::repeat_not, ++at;
    if ((bytes[at] & 0xf0) == 0x40)
        head.wide = (bytes[at++] & 8) != 0;
    // Both say how wide the operands are.
    if (head.wide && head.prefix == Prefix::size && bytes[at] != 0x0f)
        return {};
    if (bytes[at] == 0x0f)
        head.two_bytes = true, ++at;
    head.opcode = bytes[at++];
    const std::string_view table = table_of(head);
    if (table.empty())
        return {};
    const std::uint8_t wide_immediate = head.prefix == Prefix::size ? 2 : 4;
    const char what = table[head.opcode];
    if (what == 'm') // most instructions
        return with_operand(head, bytes, at, 0);
    switch (what) {
    case '.':
        return {};
    case 'n':
        return plain(at, 0);
    case 'i':
        return plain(at, 1);
    case 'z':
        return plain(at, wide_immediate);
    case 'v':
        return plain(at, head.wide ? std::size_t{8} : wide_immediate);
    case 'j':
    case 'J':
    case 'c':
    case 'C':
    case 'k':
        if (head.prefix != Prefix::none || head.wide)
            return {};
        return branch(what == 'k'                  ? Kind::call
                      : what == 'j' || what == 'J' ? Kind::jump
                                                   : Kind::conditional,
                      at, what == 'j' || what == 'c' ? 1 : 4);
    case 'r':
    case 'x':
        if (at != 1)
            return {};
        return {.kind = what == 'r' ? Kind::ret : Kind::trap, .length = 1, .head = 1};
    default:
        return by_operand(head, what, bytes, at);
    }
}

} // namespace

CommonForm common_form(ByteView code) {
    if (code.size() >= kMaxLength)
        return form_of(code.data());
    std::array<std::uint8_t, kMaxLength> bytes{};
    std::ranges::copy(code, bytes.begin());
    const CommonForm form = form_of(bytes.data());
    return form.length <= code.size() ? form : CommonForm{};
}

} // namespace suture::isa::x64
