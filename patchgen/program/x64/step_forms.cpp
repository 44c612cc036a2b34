#include "patchgen/program/x64/step_forms.hpp"

#include "engine/isa/x64/common_form.hpp"

#include <array>

namespace suture::program::x64 {

namespace {

/// The form of instructions that begin alike.
struct StepForm {
    std::uint64_t key = 0; ///< 0: none
    DecodedStep decoded;
};

constexpr std::size_t kFormBits = 10;
/// An odd factor with bits all over: 2^64 divided by the golden ratio.
constexpr std::uint64_t kMixer = 0x9e37'79b9'7f4a'7c15;

/// The bytes of the head, and their number.
std::uint64_t key_of(ByteView code, std::uint8_t head) {
    std::uint64_t key = 0;
    for (std::size_t i = 0; i < head; ++i)
        key |= std::uint64_t{code[i]} << 8 * i;
    return key | std::uint64_t{head} << 8 * isa::x64::CommonForm::kMaxHead;
}

std::uint64_t number(ByteView code, std::uint8_t at, std::uint8_t size, bool is_signed) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value |= std::uint64_t{code[at + i]} << 8 * i;
    const unsigned unused = 64u - 8u * size;
    return is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused) : value;
}

/// Another instruction of the form.
Step step_like(const DecodedStep& form, ByteView code, Rva at, std::uint32_t offset) {
    Step step = form.step;
    step.offset = offset;
    const auto end = at + step.length;
    const auto displacement =
        form.displacement_size == 0
            ? 0
            : static_cast<std::uint32_t>(number(code, step.displacement_at, form.displacement_size, true));
    if (step.memory)
        step.displacement = static_cast<std::int32_t>(displacement);
    if (form.immediate_counts)
        step.immediate = number(code, form.immediate_at, form.immediate_size, form.immediate_is_signed);
    if (step.jumps)
        step.target = end + static_cast<std::uint32_t>(number(code, form.immediate_at, form.immediate_size, true));
    else if (step.operation == Operation::load_address)
        step.target = end + displacement;
    return step;
}

} // namespace

bool add_step(ByteView code, Rva at, std::uint32_t offset, std::vector<Step>& steps) {
    static thread_local std::array<StepForm, std::size_t{1} << kFormBits> forms;
    const auto common = isa::x64::common_form(code);
    if (common.head == 0) {
        const auto decoded = decode_step(code, at, offset);
        if (decoded)
            steps.push_back(decoded->step);
        return decoded.has_value();
    }
    const std::uint64_t key = key_of(code, common.head);
    StepForm& form = forms[key * kMixer >> (64 - kFormBits)];
    if (form.key != key) {
        const auto decoded = decode_step(code, at, offset);
        if (!decoded)
            return false;
        form = {key, *decoded};
    }
    steps.push_back(step_like(form.decoded, code, at, offset));
    return true;
}

} // namespace suture::program::x64
