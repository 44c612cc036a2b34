#include "engine/isa/x64/fill.hpp"

#include <algorithm>

namespace suture::isa::x64 {

namespace {

constexpr std::size_t kLongestInstruction = 15;

bool all_are(ByteView bytes, std::uint8_t value) {
    return std::all_of(bytes.begin(), bytes.end(), [value](std::uint8_t byte) { return byte == value; });
}

/// Bytes of ModRM, SIB and displacement of a memory operand `0f 1f /0` in a form that assemblers use as fill, or 0.
/// The displacement must be zero and the base a register: data that happens to decode as a NOP has neither.
std::size_t nop_operand_length(ByteView code) {
    if (code.empty() || (code[0] & 0x38) != 0)
        return 0;
    const unsigned mod = code[0] >> 6;
    const unsigned rm = code[0] & 7;
    if (mod == 3 || (mod == 0 && rm == 5))
        return 0;
    const std::size_t sib = rm == 4 ? 1 : 0;
    const std::size_t displacement = mod == 0 ? 0 : mod == 1 ? 1 : 4;
    const auto rest = code.slice(1 + sib, displacement);
    if (!rest || !all_are(*rest, 0) || (sib != 0 && mod == 0 && (code[1] & 7) == 5))
        return 0;
    return 1 + sib + displacement;
}

} // namespace

std::size_t nop_length(ByteView code) {
    std::size_t at = 0;
    bool segment = false;
    while (at < code.size() && at < kLongestInstruction && (code[at] == 0x66 || code[at] == 0x2e))
        segment |= code[at++] == 0x2e;
    if (at < code.size() && code[at] == 0x90 && !segment)
        return at + 1 <= kLongestInstruction ? at + 1 : 0;
    const auto opcode = code.slice(at, 2);
    if (!opcode || (*opcode)[0] != 0x0f || (*opcode)[1] != 0x1f)
        return 0;
    const std::size_t operand = nop_operand_length(*code.from(at + 2));
    const std::size_t length = at + 2 + operand;
    return operand != 0 && length <= kLongestInstruction ? length : 0;
}

bool starts_with_fill(ByteView bytes, std::size_t count) {
    if (count == 0 || bytes.size() < count)
        return false;
    if (all_are(*bytes.slice(0, count), 0xcc))
        return true;
    std::size_t at = 0;
    while (at < count) {
        const std::size_t length = nop_length(*bytes.from(at));
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

bool is_nops(ByteView bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const std::size_t length = nop_length(*bytes.from(at));
        if (length == 0)
            return false;
        at += length;
    }
    return at != 0;
}

bool is_fill(ByteView bytes) {
    return !bytes.empty() && (all_are(bytes, 0xcc) || is_nops(bytes));
}

bool ends_with_fill(ByteView bytes, std::size_t count) {
    if (count == 0 || bytes.size() < count)
        return false;
    // The instruction that holds the first of the `count` bytes starts at most 14 bytes before it.
    const std::size_t last = bytes.size() - count;
    const std::size_t first = last < kLongestInstruction ? 0 : last - (kLongestInstruction - 1);
    for (std::size_t start = last + 1; start-- > first;)
        if (is_fill(*bytes.from(start)))
            return true;
    return false;
}

} // namespace suture::isa::x64
