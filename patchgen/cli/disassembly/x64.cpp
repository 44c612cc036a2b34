#include "patchgen/cli/disassembly/machines.hpp"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <cstring>

namespace suture::cli {

namespace {

struct Formatting {
    const NameAddress* name = nullptr;
    ZydisFormatterFunc print_absolute = nullptr;
    std::optional<std::uint64_t> target;
};

ZyanStatus print_address(const ZydisFormatter* formatter, ZydisFormatterBuffer* buffer,
                         ZydisFormatterContext* context) {
    auto& formatting = *static_cast<Formatting*>(context->user_data);
    ZyanU64 address = 0;
    ZYAN_CHECK(ZydisCalcAbsoluteAddress(context->instruction, context->operand, context->runtime_address, &address));
    formatting.target = address;
    const auto name = (*formatting.name)(address);
    if (!name)
        return formatting.print_absolute(formatter, buffer, context);
    ZyanString* string = nullptr;
    ZYAN_CHECK(ZydisFormatterBufferAppend(buffer, ZYDIS_TOKEN_SYMBOL));
    ZYAN_CHECK(ZydisFormatterBufferGetString(buffer, &string));
    ZyanStringView view;
    ZYAN_CHECK(ZyanStringViewInsideBuffer(&view, name->c_str()));
    return ZyanStringAppend(string, &view);
}

} // namespace

std::vector<Line> disassemble_x64(ByteView bytes, Rva at, std::uint64_t base, const NameAddress& name) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    Formatting formatting{&name, &print_address, {}};
    const void* hook = reinterpret_cast<const void*>(&print_address);
    ZydisFormatterSetHook(&formatter, ZYDIS_FORMATTER_FUNC_PRINT_ADDRESS_ABS, &hook);
    std::memcpy(&formatting.print_absolute, &hook, sizeof(hook)); // the hook before
    std::vector<Line> lines;
    std::vector<char> text(4096); // names are long where they come from templates
    for (std::size_t offset = 0; offset < bytes.size();) {
        const ByteView rest = *bytes.from(offset);
        const Rva here = at + static_cast<std::uint32_t>(offset);
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        formatting.target.reset();
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, rest.data(), rest.size(), &instruction, operands)) ||
            !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &instruction, operands,
                                                          instruction.operand_count_visible, text.data(), text.size(),
                                                          base + here.value, &formatting))) {
            lines.push_back({here, {rest[0]}, fmt::format("db 0x{:02x}", rest[0]), {}});
            ++offset;
            continue;
        }
        lines.push_back({here, rest.slice(0, instruction.length)->copy(), text.data(), formatting.target});
        offset += instruction.length;
    }
    return lines;
}

} // namespace suture::cli
