#include "engine/pe/unwind_steps_arm64.hpp"

#include "engine/pe/packed_unwind_arm64.hpp"

#include <algorithm>

namespace suture::pe {

namespace {

using Step = UnwindStepArm64;
using Kind = Step::Kind;

constexpr std::uint32_t kInstruction = 4;
constexpr std::uint32_t kPair = 16;
constexpr std::uint8_t kFirstSaved = 19;
constexpr std::uint8_t kFramePointer = 29;
constexpr std::uint8_t kLinkRegister = 30;

/// A code as it stands. Nothing but its own step, and what save_next needs to be one.
struct Code {
    enum class End : std::uint8_t { no, chained, whole };

    Step step{};
    End end = End::no;
    bool next = false;   ///< save_next: registers behind those of the code that follows
    bool pair = false;   ///< what save_next may stand before
    bool vector = false; ///< of a pair
};

Step allocate(std::uint32_t size) {
    return {.kind = Kind::restore, .size = size};
}

/// One register or two; a `size` where the instruction moves the stack pointer by it.
Step save(std::uint32_t first, std::uint32_t second, std::uint32_t offset, std::uint32_t size = 0) {
    return {Kind::restore, {static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(second)}, offset, size};
}

Step save_vectors(std::uint32_t size) {
    return {.kind = Kind::restore, .size = size};
}

/// save_any_reg: 11100111'0pxrrrrr'ttoooooo.
Code any_register(std::uint32_t second, std::uint32_t third) {
    const bool pair = (second & 0x40) != 0;
    const bool moves = (second & 0x20) != 0;
    const std::uint32_t reg = second & 31;
    const std::uint32_t type = third >> 6; // x, d, q, z
    const std::uint32_t size = ((third & 63) + (moves ? 1 : 0)) * (pair || moves || type == 2 ? 16u : 8u);
    if ((second & 0x80) != 0 || type == 3 || (type == 0 && reg + (pair ? 1 : 0) > kLinkRegister))
        return {.step = {.kind = Kind::unknown}};
    if (type != 0)
        return {.step = save_vectors(moves ? size : 0)};
    return {.step = save(reg, pair ? reg + 1 : Step::kNone, moves ? 0 : size, moves ? size : 0)};
}

/// `bytes` are those of one code, whole.
Code decode(ByteView bytes) {
    const std::uint32_t first = bytes[0];
    const std::uint32_t second = bytes.size() > 1 ? bytes[1] : 0u;
    const std::uint32_t z = second & 63;
    // Where the operand begins in the first byte, the register's bits are split over both.
    const std::uint32_t x = (first & 3) << 2 | second >> 6;
    const std::uint32_t x3 = (first & 1) << 2 | second >> 6;
    if (first < 0x20) // alloc_s
        return {.step = allocate(16 * first)};
    if (first < 0x40) // save_r19r20_x
        return {.step = save(kFirstSaved, kFirstSaved + 1, 0, 8 * (first & 31)), .pair = true};
    if (first < 0x80) // save_fplr
        return {.step = save(kFramePointer, kLinkRegister, 8 * (first & 63))};
    if (first < 0xc0) // save_fplr_x
        return {.step = save(kFramePointer, kLinkRegister, 0, 8 * (first & 63) + 8)};
    if (first < 0xc8) // alloc_m
        return {.step = allocate(16 * ((first & 7) << 8 | second))};
    const std::uint32_t reg = kFirstSaved + x;
    if (first < 0xd4 && reg + (first < 0xd0 ? 1 : 0) > kLinkRegister)
        return {.step = {.kind = Kind::unknown}};
    if (first < 0xcc) // save_regp
        return {.step = save(reg, reg + 1, 8 * z), .pair = true};
    if (first < 0xd0) // save_regp_x
        return {.step = save(reg, reg + 1, 0, 8 * z + 8), .pair = true};
    if (first < 0xd4) // save_reg
        return {.step = save(reg, Step::kNone, 8 * z)};
    if (first < 0xd6) { // save_reg_x
        const std::uint32_t number = kFirstSaved + ((first & 1) << 3 | second >> 5);
        if (number > kLinkRegister)
            return {.step = {.kind = Kind::unknown}};
        return {.step = save(number, Step::kNone, 0, 8 * (second & 31) + 8)};
    }
    if (first < 0xd8) { // save_lrpair
        if (kFirstSaved + 2 * x3 > kFramePointer)
            return {.step = {.kind = Kind::unknown}};
        return {.step = save(kFirstSaved + 2 * x3, kLinkRegister, 8 * z)};
    }
    switch (first) {
    case 0xd8: // save_fregp
    case 0xd9:
        return {.step = save_vectors(0), .pair = true, .vector = true};
    case 0xda: // save_fregp_x
    case 0xdb:
        return {.step = save_vectors(8 * z + 8), .pair = true, .vector = true};
    case 0xdc: // save_freg
    case 0xdd:
        return {.step = save_vectors(0)};
    case 0xde: // save_freg_x
        return {.step = save_vectors(8 * (second & 31) + 8)};
    case 0xe0: // alloc_l
        return {.step = allocate(16 * (second << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3]))};
    case 0xe1: // set_fp
        return {.step = {.kind = Kind::to_frame}};
    case 0xe2: // add_fp
        return {.step = {.kind = Kind::to_frame, .offset = 8 * second}};
    case 0xe3: // nop
        return {};
    case 0xe4:
        return {.end = Code::End::whole};
    case 0xe5: // end_c
        return {.end = Code::End::chained};
    case 0xe6: // save_next
        return {.next = true};
    case 0xe7:
        return any_register(second, bytes[2]);
    case 0xe9:
        return {.step = {.kind = Kind::machine_frame}};
    case 0xea:
        return {.step = {.kind = Kind::context}};
    case 0xec: // clear_unwound_to_call
        return {.step = {.kind = Kind::interrupted}};
    case 0xfc: // pac_sign_lr
        return {.step = {.kind = Kind::signed_return}};
    default: // alloc_z, trap frames, Arm64EC contexts
        return {.step = {.kind = Kind::unknown}};
    }
}

/// The codes from an index to the end, each that of one instruction.
struct Sequence {
    std::vector<Code> codes;
    std::size_t own = 0; ///< how many stand before the first end_c
};

std::optional<Sequence> sequence_at(ByteView codes, std::uint32_t index) {
    Sequence sequence;
    std::optional<std::size_t> own;
    while (const auto rest = codes.from(index)) {
        // MSVC leaves the end out where that is the end of the last word.
        const std::uint32_t size = unwind_code_size_arm64(*rest);
        if (size == 0 && !rest->empty())
            return std::nullopt;
        const Code code = size == 0 ? Code{.end = Code::End::whole} : decode(*rest->slice(0, size));
        if (code.end != Code::End::no && !own)
            own = sequence.codes.size();
        if (code.end == Code::End::whole) {
            sequence.own = *own;
            return sequence;
        }
        if (code.end == Code::End::no)
            sequence.codes.push_back(code);
        index += size;
    }
    return std::nullopt;
}

/// The steps of `codes` without the first `done`. save_next means a pair that depends on where the next other code is.
std::optional<std::vector<Step>> steps_of(std::span<const Code> codes, std::size_t done) {
    std::vector<Step> steps;
    std::uint32_t nexts = 0;
    for (const Code& code : codes.subspan(std::min(done, codes.size()))) {
        if (code.next) {
            ++nexts;
            continue;
        }
        if (nexts != 0 && !code.pair)
            return std::nullopt;
        for (; nexts != 0; --nexts) {
            if (code.vector)
                continue;
            const std::uint32_t reg = code.step.registers[0] + 2 * nexts;
            if (reg + 1 > kLinkRegister)
                return std::nullopt;
            steps.push_back(save(reg, reg + 1, code.step.offset + kPair * nexts));
        }
        steps.push_back(code.step);
    }
    return nexts == 0 ? std::optional(std::move(steps)) : std::nullopt;
}

/// The epilogue that `offset` may lie in, if there is one: the last that begins there or before.
std::optional<EpilogArm64> epilogue_before(const UnwindInfoArm64& info, std::uint32_t offset) {
    std::optional<EpilogArm64> found;
    for (const EpilogArm64& epilogue : info.epilogs)
        if (epilogue.start <= offset && (!found || epilogue.start >= found->start))
            found = epilogue;
    return found;
}

std::optional<std::vector<Step>> packed_steps(const UnwindInfoArm64& info, std::uint32_t offset) {
    const auto frame = packed_frame_arm64(info.packed);
    if (!frame)
        return std::nullopt;
    const std::size_t instruction = offset / kInstruction;
    const auto without = [](const std::vector<Step>& steps, std::size_t done) {
        return std::vector<Step>(steps.begin() + static_cast<std::ptrdiff_t>(done), steps.end());
    };
    if (info.fragment)
        return frame->prologue;
    if (instruction < frame->prologue.size())
        return without(frame->prologue, frame->prologue.size() - instruction);
    // One return, or a branch in its place, follows.
    const std::size_t left = (info.function_size - std::min(offset, info.function_size)) / kInstruction;
    if (left > 0 && left <= frame->epilogue.size() + 1)
        return without(frame->epilogue, frame->epilogue.size() + 1 - left);
    return frame->prologue;
}

} // namespace

std::optional<std::vector<UnwindStepArm64>> unwind_steps_arm64(const UnwindInfoArm64& info, std::uint32_t offset) {
    if (offset % kInstruction != 0)
        return std::nullopt;
    if (info.packed != 0)
        return packed_steps(info, offset);
    const auto prologue = sequence_at(info.codes, 0);
    if (!prologue)
        return std::nullopt;
    const std::size_t instruction = offset / kInstruction;
    if (instruction < prologue->own)
        return steps_of(prologue->codes, prologue->own - instruction);

    if (info.single_epilog) {
        const auto epilogue = sequence_at(info.codes, info.single_epilog_code);
        if (!epilogue)
            return std::nullopt;
        const std::size_t left = (info.function_size - std::min(offset, info.function_size)) / kInstruction;
        if (left > 0 && left <= epilogue->codes.size() + 1)
            return steps_of(epilogue->codes, epilogue->codes.size() + 1 - left);
    } else if (const auto scope = epilogue_before(info, offset)) {
        const auto epilogue = sequence_at(info.codes, scope->first_code);
        if (!epilogue)
            return std::nullopt;
        const std::size_t done = (offset - scope->start) / kInstruction;
        if (done <= epilogue->codes.size())
            return steps_of(epilogue->codes, done);
    }
    return steps_of(prologue->codes, 0);
}

} // namespace suture::pe
