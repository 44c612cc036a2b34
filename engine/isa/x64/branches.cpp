#include "engine/isa/x64/branches.hpp"

#include "engine/isa/x64/decode.hpp"

#include <fmt/format.h>

namespace suture::isa::x64 {

void put8(Bytes& out, unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes& out, std::uint32_t value) {
    for (unsigned shift = 0; shift < 32; shift += 8)
        put8(out, (value >> shift) & 0xff);
}

void put64(Bytes& out, std::uint64_t value) {
    put32(out, static_cast<std::uint32_t>(value));
    put32(out, static_cast<std::uint32_t>(value >> 32));
}

std::optional<std::uint32_t> distance32(Va from, Va to) {
    const auto distance = static_cast<std::int64_t>(to - from);
    if (distance < INT32_MIN || distance > INT32_MAX)
        return std::nullopt;
    return static_cast<std::uint32_t>(distance);
}

Result<Bytes> near_jump(Va at, Va to) {
    const auto distance = distance32(at + kNearJumpSize, to);
    if (!distance)
        return fail(Code::branch_out_of_reach, fmt::format("a jump at {:#x} to {:#x}", at.value, to.value));
    Bytes out;
    put8(out, 0xe9);
    put32(out, *distance);
    return out;
}

Bytes far_jump(Va to) {
    Bytes out{0xff, 0x25, 0, 0, 0, 0};
    put64(out, to.value);
    return out;
}

Result<Bytes> jump_through(Va at, Va cell) {
    const auto distance = distance32(at + Isa::kWideBranchSize, cell);
    if (!distance)
        return fail(Code::branch_out_of_reach,
                    fmt::format("a jump at {:#x} through the cell at {:#x}", at.value, cell.value));
    Bytes out{0xff, 0x25};
    put32(out, *distance);
    return out;
}

Result<Bytes> stub(Va at, Va cell) {
    SUTURE_TRY(Bytes out, jump_through(at, cell));
    out.resize(Isa::kStubSize, 0xcc);
    return out;
}

namespace {

/// `mov r64, imm64` followed by `jmp` to that register, or by `push` of it and `ret`.
std::optional<Isa::Jump> jump_through_register(ByteView code) {
    const auto mov = code.slice(0, 10);
    if (!mov || ((*mov)[0] != 0x48 && (*mov)[0] != 0x49) || ((*mov)[1] & 0xf8) != 0xb8)
        return std::nullopt;
    const bool extended = (*mov)[0] == 0x49;
    const unsigned reg = (*mov)[1] & 7;
    Bytes jump, push;
    if (extended) {
        put8(jump, 0x41);
        put8(push, 0x41);
    }
    put8(jump, 0xff);
    put8(jump, 0xe0 + reg);
    put8(push, 0x50 + reg);
    put8(push, 0xc3);
    for (const Bytes& tail : {jump, push}) {
        const auto found = code.slice(10, tail.size());
        if (found && *found == ByteView(tail))
            return Isa::Jump{Va{*mov->read<std::uint64_t>(2)}};
    }
    return std::nullopt;
}

/// `push imm32`, perhaps `mov dword [rsp+4], imm32`, and `ret`.
std::optional<Isa::Jump> jump_through_stack(ByteView code) {
    const auto pushed = code.read<std::int32_t>(1);
    if (!pushed || code[0] != 0x68 || code.size() < 6)
        return std::nullopt;
    if (code[5] == 0xc3) // the push extends its operand's sign
        return Isa::Jump{Va{static_cast<std::uint64_t>(std::int64_t{*pushed})}};
    constexpr std::uint8_t kMov[] = {0xc7, 0x44, 0x24, 0x04};
    const auto mov = code.slice(5, sizeof kMov);
    const auto high = code.read<std::uint32_t>(9);
    if (!mov || !(*mov == ByteView(kMov, sizeof kMov)) || !high || code.size() < 14 || code[13] != 0xc3)
        return std::nullopt;
    return Isa::Jump{Va{std::uint64_t{*high} << 32 | static_cast<std::uint32_t>(*pushed)}};
}

} // namespace

std::optional<Isa::Jump> jump_at(ByteView code, Va at) {
    const auto instruction = decode(code);
    if (!instruction)
        return std::nullopt;
    if (instruction->flow == Flow::jump) {
        if (!instruction->obstacle.empty())
            return std::nullopt;
        const Va to = at + static_cast<std::uint64_t>(instruction->target);
        if (instruction->relative_branch)
            return Isa::Jump{to};
        if (instruction->displacement_at != 0)
            return Isa::Jump{to, true};
        return std::nullopt;
    }
    if (const auto jump = jump_through_register(code))
        return jump;
    return jump_through_stack(code);
}

} // namespace suture::isa::x64
