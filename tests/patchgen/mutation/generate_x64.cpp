#include "tests/patchgen/mutation/generate.hpp"

#include <Zydis/Zydis.h>

namespace suture::test {

namespace {

using Flow = Instruction::Flow;

/// True if `bytes` are one whole instruction that branches as much as the one they replace, and refers as it does.
bool is_alike(const RawImage& image, const Instruction& one, const Bytes& bytes) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    const auto decode = [&](const std::uint8_t* data) {
        ZydisDecodedInstruction decoded{};
        return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, data, one.size, &decoded))
                   ? std::optional(decoded)
                   : std::nullopt;
    };
    const auto before = decode(image.image().bytes_at(one.at, one.size)->data());
    const auto after = decode(bytes.data());
    return before && after && after->length == one.size && before->meta.branch_type == after->meta.branch_type &&
           before->raw.disp.size == after->raw.disp.size && before->raw.imm[0].size == after->raw.imm[0].size &&
           (before->attributes & ZYDIS_ATTRIB_IS_RELATIVE) == (after->attributes & ZYDIS_ATTRIB_IS_RELATIVE) &&
           before->meta.category != ZYDIS_CATEGORY_RET && after->meta.category != ZYDIS_CATEGORY_RET;
}

/// Puts another target into the field of an instruction.
std::optional<Mutant> redirected(const RawImage& image, Kind kind, const Instruction& one, Rva target) {
    const auto distance = static_cast<std::int64_t>(target.value) - one.at.value - one.size;
    if (one.field_size == 1 && (distance < -128 || distance > 127))
        return std::nullopt;
    Bytes bytes;
    for (unsigned i = 0; i < one.field_size; ++i)
        bytes.push_back(static_cast<std::uint8_t>(distance >> 8 * i));
    return changed(image, kind, one.at + one.field, std::move(bytes), {one.at}, true);
}

std::optional<Mutant> flipped(const RawImage& image, Kind kind, const Instruction& one, std::uint8_t offset,
                              std::uint8_t size, Random& random) {
    const Rva at = one.at + offset + static_cast<std::uint32_t>(random.below(size));
    if (image.relocated(at))
        return std::nullopt;
    const auto byte = *image.image().read<std::uint8_t>(at);
    return changed(image, kind, at, {static_cast<std::uint8_t>(byte ^ 1u << random.below(8))}, {one.at}, true);
}

} // namespace

std::optional<Mutant> generate_x64(const RawImage& image, Kind kind, const Instruction& one, Random& random) {
    Bytes bytes = image.image().bytes_at(one.at, one.size)->copy();
    switch (kind) {
    case Kind::opcode:
        bytes[one.opcode] = static_cast<std::uint8_t>(random.below(256));
        return is_alike(image, one, bytes) ? changed(image, kind, one.at, bytes, {one.at}, true) : std::nullopt;
    case Kind::register_operand: {
        if (one.modrm == 0)
            return std::nullopt;
        const bool of_rm = (bytes[one.modrm] & 0xc0) == 0xc0 && random.below(2) != 0;
        bytes[one.modrm] ^= static_cast<std::uint8_t>((1 + random.below(7)) << (of_rm ? 0 : 3));
        return is_alike(image, one, bytes) ? changed(image, kind, one.at, bytes, {one.at}, true) : std::nullopt;
    }
    case Kind::immediate:
        return one.immediate != 0 ? flipped(image, kind, one, one.immediate, one.immediate_size, random) : std::nullopt;
    case Kind::displacement:
        return one.displacement != 0 ? flipped(image, kind, one, one.displacement, one.displacement_size, random)
                                     : std::nullopt;
    case Kind::condition: {
        // jrcxz and loops have conditions of their own kind.
        if (one.flow != Flow::conditional || bytes[one.opcode] >> 4 == 0xe)
            return std::nullopt;
        bytes[one.opcode] ^= 1;
        return changed(image, kind, one.at, bytes, {one.at}, true);
    }
    case Kind::branch_target: {
        const RvaRange& stretch = *image.stretch_at(one.at);
        if ((one.flow != Flow::jump && one.flow != Flow::conditional) || !stretch.contains(*one.target))
            return std::nullopt;
        const auto inside = image.instructions_in(stretch);
        return redirected(image, kind, one, inside[random.below(inside.size())].at);
    }
    case Kind::call_target:
        if (one.flow == Flow::none || one.field_size != 4 || image.stretch_at(one.at)->contains(*one.target))
            return std::nullopt;
        if (const auto to = another_target(image, kind, one, random))
            return redirected(image, kind, one, *to);
        return std::nullopt;
    case Kind::data_reference:
    case Kind::string_reference:
        if (one.flow != Flow::none || !one.target || (kind == Kind::string_reference && one.access != 0))
            return std::nullopt;
        if (const auto to = another_target(image, kind, one, random))
            return redirected(image, kind, one, *to);
        return std::nullopt;
    default:
        return std::nullopt;
    }
}

} // namespace suture::test
