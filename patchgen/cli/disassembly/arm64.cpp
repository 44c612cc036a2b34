#include "patchgen/cli/disassembly/machines.hpp"

#include <fmt/format.h>

namespace suture::cli {

namespace {

/// `bits` bits of `word` from `first` on, with their sign.
std::int64_t field(std::uint32_t word, unsigned first, unsigned bits) {
    return static_cast<std::int64_t>(std::uint64_t{word} << (64 - first - bits)) >> (64 - bits);
}

/// What an instruction that names an address by its distance names (Arm Architecture Reference Manual, C4.1).
std::optional<std::uint64_t> target_of(std::uint32_t word, std::uint64_t pc) {
    const auto away = [pc](std::int64_t bytes) { return pc + static_cast<std::uint64_t>(bytes); };
    if ((word & 0x7c00'0000) == 0x1400'0000) // b, bl
        return away(field(word, 0, 26) * 4);
    if ((word & 0xff00'0000) == 0x5400'0000 || (word & 0x7e00'0000) == 0x3400'0000) // b.cond, bc.cond, cbz, cbnz
        return away(field(word, 5, 19) * 4);
    if ((word & 0x7e00'0000) == 0x3600'0000) // tbz, tbnz
        return away(field(word, 5, 14) * 4);
    if ((word & 0x3b00'0000) == 0x1800'0000) // ldr, ldrsw, prfm of a literal
        return away(field(word, 5, 19) * 4);
    if ((word & 0x1f00'0000) == 0x1000'0000) { // adr, adrp
        const std::int64_t distance = field(word, 5, 19) * 4 + ((word >> 29) & 3);
        return (word >> 31) == 0 ? away(distance)
                                 : (pc & ~std::uint64_t{0xfff}) + static_cast<std::uint64_t>(distance * 0x1000);
    }
    return std::nullopt;
}

/// Puts `name` in the place of the last operand, which is a distance.
std::string with_name(const std::string& text, const std::string& name) {
    const std::size_t last = text.rfind('#');
    return last == std::string::npos ? text : text.substr(0, last) + name;
}

std::string text_of(std::uint32_t word, const std::string& plain, const std::optional<std::uint64_t>& target,
                    const NameAddress& name) {
    if (plain.empty())
        return fmt::format(".word 0x{:08x}", word) +
               (target ? fmt::format(" ; {}", name(*target).value_or(fmt::format("0x{:x}", *target))) : "");
    if (!target)
        return plain;
    return with_name(plain, name(*target).value_or(fmt::format("0x{:x}", *target)));
}

} // namespace

std::vector<Line> disassemble_arm64(ByteView bytes, Rva at, std::uint64_t base, const NameAddress& name) {
    thread_local const Arm64Text text;
    std::vector<Line> lines;
    std::uint32_t offset = 0;
    for (; bytes.size() - offset >= 4; offset += 4) {
        const std::uint32_t word = *bytes.read<std::uint32_t>(offset);
        const Rva here = at + offset;
        const auto target = target_of(word, base + here.value);
        lines.push_back({here, bytes.slice(offset, 4)->copy(), text_of(word, text.of(word), target, name), target});
    }
    if (offset != bytes.size())
        lines.push_back(data_lines(*bytes.from(offset), at + offset).front());
    return lines;
}

} // namespace suture::cli
