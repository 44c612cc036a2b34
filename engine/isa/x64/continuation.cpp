#include "engine/isa/x64/continuation.hpp"

#include "engine/isa/isa.hpp"
#include "engine/isa/x64/branches.hpp"
#include "engine/isa/x64/decode.hpp"

#include <fmt/format.h>

#include <vector>

namespace suture::isa::x64 {

namespace {

/// `push imm32` and `mov dword [rsp+4], imm32`: pushes any 64-bit value, changes no register and no flag.
constexpr std::uint32_t kPushSize = 13;
constexpr std::uint32_t kNearConditionalSize = 6;

/// An instruction within the displaced bytes.
struct Piece {
    std::uint32_t offset = 0;
    Instruction instruction;
    ByteView bytes;

    std::uint32_t end() const { return offset + instruction.length; }
    std::int64_t target() const { return std::int64_t{offset} + instruction.target; }
    bool refers_elsewhere() const { return instruction.relative_branch || instruction.displacement_at != 0; }
};

std::unexpected<Error> unmovable(const Piece& piece, std::string_view why) {
    return fail(Code::site_unproved,
                fmt::format("the instruction at entry+{:#x} cannot be moved: {}", piece.offset, why));
}

Result<void> check_piece(const Piece& piece, std::size_t displaced) {
    const Instruction& instruction = piece.instruction;
    if (!instruction.obstacle.empty())
        return unmovable(piece, instruction.obstacle);
    if (piece.refers_elsewhere()) {
        // The entry itself is a fine target: a loop or a recursion goes through the site again, an address stays the
        // function's own. Only reading the entry's bytes would see the site instead of them.
        const bool reads = !instruction.relative_branch && !instruction.computes_only;
        if (piece.target() >= (reads ? 0 : 1) && piece.target() < static_cast<std::int64_t>(displaced))
            return unmovable(piece, fmt::format("it refers to entry+{:#x}, which is displaced too", piece.target()));
    }
    if (instruction.flow == Flow::call) {
        if (piece.end() != displaced)
            return unmovable(piece, "a call that would return into displaced bytes");
        if (!instruction.relative_branch && instruction.operand_is_rsp)
            return unmovable(piece, "a call through the stack pointer");
    }
    return {};
}

Result<std::vector<Piece>> pieces_of(ByteView displaced) {
    if (displaced.empty() || displaced.size() > Isa::kContinuationSize)
        return fail(Code::site_unproved, fmt::format("{} displaced bytes", displaced.size()));
    std::vector<Piece> pieces;
    std::uint32_t at = 0;
    while (at < displaced.size()) {
        const auto instruction = decode(*displaced.from(at));
        if (!instruction)
            return fail(Code::site_unproved, fmt::format("no whole instruction at entry+{:#x}", at));
        pieces.push_back({at, *instruction, *displaced.slice(at, instruction->length)});
        SUTURE_CHECK(check_piece(pieces.back(), displaced.size()));
        at += instruction->length;
    }
    return pieces;
}

bool needs_branch_back(const std::vector<Piece>& pieces) {
    const Instruction& last = pieces.back().instruction;
    return last.falls_through() && last.flow != Flow::call;
}

void push_address(Bytes& out, Va address) {
    put8(out, 0x68);
    put32(out, static_cast<std::uint32_t>(address.value));
    out.insert(out.end(), {0xc7, 0x44, 0x24, 0x04});
    put32(out, static_cast<std::uint32_t>(address.value >> 32));
}

void put_jump(Bytes& out, Va at, Va to) {
    const auto near = near_jump(at + out.size(), to);
    const Bytes bytes = near ? *near : far_jump(to);
    out.insert(out.end(), bytes.begin(), bytes.end());
}

/// The instruction as it is, its RIP-relative operand re-based to where it now runs.
Result<void> put_copy(Bytes& out, const Piece& piece, Va entry, Va at) {
    const std::size_t start = out.size();
    out.insert(out.end(), piece.bytes.begin(), piece.bytes.end());
    const Instruction& instruction = piece.instruction;
    if (instruction.displacement_at == 0)
        return {};
    const Va target = entry + static_cast<std::uint64_t>(piece.target());
    const auto distance = distance32(at + start + instruction.length, target);
    if (!distance)
        return fail(Code::branch_out_of_reach,
                    fmt::format("the operand {:#x} of the instruction moved from {:#x} to {:#x}", target.value,
                                entry.value + piece.offset, at.value + start));
    for (unsigned i = 0; i < 4; ++i)
        out[start + instruction.displacement_at + i] = static_cast<std::uint8_t>(*distance >> (8 * i));
    return {};
}

Result<void> put_moved(Bytes& out, const Piece& piece, Va entry, Va at) {
    const Instruction& instruction = piece.instruction;
    const Va target = entry + static_cast<std::uint64_t>(piece.target());
    if (instruction.flow == Flow::call)
        push_address(out, entry + piece.end());
    if (!instruction.relative_branch) {
        const std::size_t start = out.size();
        SUTURE_CHECK(put_copy(out, piece, entry, at));
        if (instruction.flow == Flow::call) { // ff /2 (call) becomes ff /4 (jmp)
            std::uint8_t& modrm = out[start + instruction.modrm_at];
            modrm = static_cast<std::uint8_t>((modrm & 0xc7) | 0x20);
        }
        return {};
    }
    if (instruction.flow != Flow::conditional) {
        put_jump(out, at, target);
        return {};
    }
    const auto distance = distance32(at + out.size() + kNearConditionalSize, target);
    if (!distance)
        return fail(Code::branch_out_of_reach,
                    fmt::format("a conditional jump at {:#x} to {:#x}", at.value + out.size(), target.value));
    put8(out, 0x0f);
    put8(out, 0x80u + instruction.condition);
    put32(out, *distance);
    return {};
}

std::size_t longest_size(const Piece& piece) {
    const Instruction& instruction = piece.instruction;
    const std::size_t push = instruction.flow == Flow::call ? kPushSize : 0;
    if (!instruction.relative_branch)
        return push + instruction.length;
    return push + (instruction.flow == Flow::conditional ? kNearConditionalSize : kFarJumpSize);
}

} // namespace

Result<void> check_movable(ByteView displaced) {
    SUTURE_TRY(const auto pieces, pieces_of(displaced));
    std::size_t size = needs_branch_back(pieces) ? kFarJumpSize : 0;
    for (const Piece& piece : pieces)
        size += longest_size(piece);
    if (size > Isa::kContinuationSize)
        return fail(Code::site_unproved,
                    fmt::format("a continuation of {} bytes, {} is the most", size, Isa::kContinuationSize));
    return {};
}

bool ends_flow(ByteView displaced) {
    const auto pieces = pieces_of(displaced);
    return pieces && !pieces->back().instruction.falls_through();
}

Result<Bytes> continuation(ByteView displaced, Va entry, Va at) {
    SUTURE_CHECK(check_movable(displaced));
    SUTURE_TRY(const auto pieces, pieces_of(displaced));
    Bytes out;
    for (const Piece& piece : pieces)
        SUTURE_CHECK(put_moved(out, piece, entry, at));
    if (needs_branch_back(pieces))
        put_jump(out, at, entry + displaced.size());
    return out;
}

} // namespace suture::isa::x64
