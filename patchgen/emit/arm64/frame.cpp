#include "patchgen/emit/arm64/frame.hpp"

#include "engine/pe/unwind_arm64.hpp"

#include <algorithm>

namespace suture::emit::arm64 {

namespace {

constexpr std::uint32_t kInstruction = 4;
constexpr std::uint8_t kEnd = 0xe4;
constexpr std::uint8_t kEndC = 0xe5;

/// Bytes of the codes from `index` on that describe instructions, and of the whole list with its end. A code is one
/// instruction at most.
struct Sequence {
    std::uint32_t instructions = 0;
    std::uint32_t end = 0; ///< behind `end`
};

Sequence sequence_at(ByteView codes, std::uint32_t index) {
    Sequence result;
    bool described = true;
    while (const auto rest = codes.from(index)) {
        const std::uint32_t size = pe::unwind_code_size_arm64(*rest);
        if (size == 0)
            break;
        index += size;
        described = described && (*rest)[0] != kEnd && (*rest)[0] != kEndC;
        result.instructions += described;
        if ((*rest)[0] == kEnd)
            break;
    }
    result.end = index;
    return result;
}

/// Instructions of the prologue that a packed entry stands for, by the steps that its documentation lists.
std::uint32_t packed_prologue(std::uint32_t word) {
    const std::uint32_t floats = word >> 13 & 7; // RegF: one less than are saved, but for 0
    const std::uint32_t integers = word >> 16 & 15;
    const bool homes = (word >> 20 & 1) != 0;
    const std::uint32_t chain = word >> 21 & 3; // CR
    const std::uint32_t frame = 16 * (word >> 23);
    const std::uint32_t saved_floats = floats == 0 ? 0 : floats + 1;
    const std::uint32_t saved = 8 * (integers + (chain == 1) + saved_floats + (homes ? 8 : 0));
    const std::uint32_t local = frame - std::min(frame, (saved + 15) / 16 * 16);
    std::uint32_t count = (integers + (chain == 1) + 1) / 2 + (saved_floats + 1) / 2 + (homes ? 4 : 0);
    if (chain == 2) // the return address is signed
        ++count;
    if (chain >= 2)
        count += local <= 512 ? 2 : local <= 4080 ? 3 : 4;
    else if (local != 0)
        count += local <= 4080 ? 1 : 2;
    return count;
}

} // namespace

bool Frame::stands_at(std::uint32_t offset) const {
    return offset >= prologue &&
           std::ranges::none_of(epilogues, [&](const RvaRange& epilogue) { return epilogue.contains(Rva{offset}); });
}

Result<Frame> frame_of(const pe::Image& image, const pe::RuntimeFunction& entry) {
    SUTURE_TRY(const pe::UnwindInfoArm64 info, pe::unwind_info_arm64_of(image, entry));
    Frame frame;
    const auto add_epilogue_at_end = [&](std::uint32_t instructions) {
        const std::uint32_t size = std::min(info.function_size, instructions * kInstruction);
        frame.epilogues.push_back({Rva{info.function_size - size}, size});
    };
    if (info.packed != 0) {
        if (info.fragment)
            return frame;
        const std::uint32_t prologue = packed_prologue(info.packed);
        frame.prologue = prologue * kInstruction;
        // It undoes the prologue, but for the frame pointer and the homes of arguments; one to free those, and a
        // return.
        add_epilogue_at_end(prologue + 2);
        return frame;
    }
    const Sequence prologue = sequence_at(info.codes, 0);
    frame.prologue = info.fragment ? 0 : prologue.instructions * kInstruction;
    if (!info.fragment)
        frame.codes.push_back(kEndC);
    frame.codes.insert(frame.codes.end(), info.codes.begin(), info.codes.begin() + prologue.end);
    // The last instruction of an epilogue is its return or jump, which `end` stands for.
    if (info.single_epilog)
        add_epilogue_at_end(sequence_at(info.codes, info.single_epilog_code).instructions + 1);
    for (const pe::EpilogArm64& epilogue : info.epilogs)
        frame.epilogues.push_back(
            {Rva{epilogue.start}, (sequence_at(info.codes, epilogue.first_code).instructions + 1) * kInstruction});
    return frame;
}

} // namespace suture::emit::arm64
