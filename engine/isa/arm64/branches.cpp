#include "engine/isa/arm64/branches.hpp"

#include <fmt/format.h>

namespace suture::isa::arm64 {

Result<Bytes> stub(Va at, Va cell) {
    const auto load = aimed_at(Form::literal19, kLdrLiteral64 | kScratch, at.value, cell.value);
    if (!load)
        return fail(Code::branch_out_of_reach,
                    fmt::format("a stub at {:#x} with its cell at {:#x}", at.value, cell.value));
    Bytes out;
    append(out, *load);
    append(out, kBr | rn(kScratch));
    return out;
}

Bytes veneer(Va at, Va to) {
    Bytes out;
    if (const auto near = branch(at, to)) {
        append(out, *near);
        return out;
    }
    append(out, *put(Form::literal19, kLdrLiteral64 | kScratch, 2 * kInstructionSize));
    append(out, kBr | rn(kScratch));
    append64(out, to.value);
    return out;
}

namespace {

/// `br` to a register that the `count` instructions before it have set.
bool is_branch_through(ByteView code, unsigned count, std::uint32_t reg) {
    return code.read<std::uint32_t>(std::uint64_t{count} * kInstructionSize) == (kBr | rn(reg));
}

} // namespace

std::optional<Isa::Jump> jump_at(ByteView code, Va at) {
    const auto first = code.read<std::uint32_t>(0);
    const auto form = first ? form_of(*first) : std::nullopt;
    if (!form)
        return std::nullopt;
    const std::uint32_t reg = rd_of(*first);
    const Va to{target_of(*form, *first, at.value)};
    if (*form == Form::branch26)
        return is_call(*first) ? std::nullopt : std::optional(Isa::Jump{to});
    if (*form == Form::literal19 && *first >> 24 == kLdrLiteral64 >> 24 && is_branch_through(code, 1, reg)) {
        // A literal that stands with its branch is as good as an immediate.
        const auto literal = to >= at ? code.read<std::uint64_t>(to - at) : std::nullopt;
        return literal ? Isa::Jump{Va{*literal}} : Isa::Jump{to, true};
    }
    const auto second = code.read<std::uint32_t>(kInstructionSize);
    if (*form != Form::adrp21 || !second || rd_of(*second) != reg || rn_of(*second) != reg ||
        !is_branch_through(code, 2, reg))
        return std::nullopt;
    if ((*second & 0xffc0'0000) == kAddImmediate64)
        return Isa::Jump{to + static_cast<std::uint64_t>(get(Form::add12, *second))};
    if ((*second & 0xffc0'0000) == kLdr64)
        return Isa::Jump{to + static_cast<std::uint64_t>(get(Form::ldst12, *second)), true};
    return std::nullopt;
}

} // namespace suture::isa::arm64
