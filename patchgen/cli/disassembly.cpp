#include "patchgen/cli/disassembly.hpp"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::cli {

namespace {

// Where package and baseline are taken to lie: within reach of each other and apart, so that an address tells which
// of them it is in.
constexpr std::uint64_t kPackage = 0x1'0000'0000;
constexpr std::uint64_t kBaseline = 0x1'4000'0000;

struct Formatting {
    const Disassembler* disassembler = nullptr;
    ZydisFormatterFunc print_absolute = nullptr;
};

ZyanStatus print_address(const ZydisFormatter* formatter, ZydisFormatterBuffer* buffer,
                         ZydisFormatterContext* context) {
    const auto& formatting = *static_cast<const Formatting*>(context->user_data);
    ZyanU64 address = 0;
    ZYAN_CHECK(ZydisCalcAbsoluteAddress(context->instruction, context->operand, context->runtime_address, &address));
    const auto rva = [&](std::uint64_t base) { return Rva{static_cast<std::uint32_t>(address - base)}; };
    std::string name;
    if (address - kPackage < kBaseline - kPackage)
        name = formatting.disassembler->package_name(rva(kPackage));
    else if (address - kBaseline < 0x8000'0000)
        name = formatting.disassembler->baseline_name(rva(kBaseline));
    else
        return formatting.print_absolute(formatter, buffer, context);
    ZyanString* string = nullptr;
    ZYAN_CHECK(ZydisFormatterBufferAppend(buffer, ZYDIS_TOKEN_SYMBOL));
    ZYAN_CHECK(ZydisFormatterBufferGetString(buffer, &string));
    ZyanStringView view;
    ZYAN_CHECK(ZyanStringViewInsideBuffer(&view, name.c_str()));
    return ZyanStringAppend(string, &view);
}

std::vector<Line> disassemble(ByteView bytes, Rva at, std::uint64_t base, const Disassembler& disassembler) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    Formatting formatting{&disassembler, &print_address};
    const void* hook = reinterpret_cast<const void*>(&print_address);
    ZydisFormatterSetHook(&formatter, ZYDIS_FORMATTER_FUNC_PRINT_ADDRESS_ABS, &hook);
    std::memcpy(&formatting.print_absolute, &hook, sizeof(hook)); // the hook before
    std::vector<Line> lines;
    for (std::size_t offset = 0; offset < bytes.size();) {
        const ByteView rest = *bytes.from(offset);
        const Rva here = at + static_cast<std::uint32_t>(offset);
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        char text[512] = {};
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, rest.data(), rest.size(), &instruction, operands)) ||
            !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &instruction, operands,
                                                          instruction.operand_count_visible, text, sizeof(text),
                                                          base + here.value, &formatting))) {
            lines.push_back({here, {rest[0]}, fmt::format("db 0x{:02x}", rest[0])});
            ++offset;
            continue;
        }
        lines.push_back({here, rest.slice(0, instruction.length)->copy(), text});
        offset += instruction.length;
    }
    return lines;
}

} // namespace

std::vector<Line> Disassembler::package_code(RvaRange range) const {
    const auto content = package_.image().bytes_at(range.begin, range.size);
    if (!content)
        return {};
    Bytes bytes = content->copy();
    for (const package::Fixup& fixup : package_.manifest().fixups) {
        const std::uint32_t size = fixup.kind == package::FixupKind::absolute64 ? 8 : 4;
        if (!range.contains(RvaRange{fixup.source, size}))
            continue;
        const std::uint64_t target =
            kBaseline + fixup.target.value + static_cast<std::uint64_t>(std::int64_t{fixup.addend});
        const std::uint64_t value = size == 8 ? target : target - (kPackage + fixup.source.value);
        std::memcpy(bytes.data() + (fixup.source - range.begin), &value, size);
    }
    auto lines = disassemble(bytes, range.begin, kPackage, *this);
    // Shown as they are in the file; the text says where they lead.
    for (Line& line : lines)
        if (const auto original = content->slice(line.at - range.begin, line.bytes.size()))
            line.bytes = original->copy();
    return lines;
}

std::vector<Line> Disassembler::baseline_code(ByteView bytes, Rva at) const {
    return disassemble(bytes, at, kBaseline, *this);
}

std::string Disassembler::package_name(Rva rva) const {
    const package::Manifest& manifest = package_.manifest();
    const auto with_offset = [&](std::string name, Rva begin) {
        return rva == begin ? name : fmt::format("{}+0x{:x}", name, rva - begin);
    };
    for (const package::Replacement& function : manifest.functions)
        if (RvaRange{function.patch, function.patch_size}.contains(rva))
            return with_offset(function.name.empty() ? fmt::format("new sub_{:x}", function.baseline.value)
                                                     : "new " + function.name,
                               function.patch);
    for (const pe::ImportSlot& slot : package_.imports())
        if (slot.slot == rva)
            return slot.name.empty() ? fmt::format("{}#{}", slot.dll, slot.ordinal)
                                     : fmt::format("{}!{}", slot.dll, slot.name);
    for (const package::Global& global : manifest.globals)
        if (RvaRange{global.at, global.size}.contains(rva) && !global.name.empty())
            return with_offset(global.name, global.at);
    return fmt::format("package+0x{:x}", rva.value);
}

std::string Disassembler::baseline_name(Rva rva) const {
    for (const package::Replacement& function : package_.manifest().functions)
        if (!function.name.empty() && RvaRange{function.baseline, function.baseline_size}.contains(rva))
            return rva == function.baseline ? function.name
                                            : fmt::format("{}+0x{:x}", function.name, rva - function.baseline);
    return fmt::format("{}+0x{:x}", package_.manifest().module, rva.value);
}

} // namespace suture::cli
