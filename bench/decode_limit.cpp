// The least that patchgen has to do: decodes the code of images once, in a line, on one thread. Prints seconds of
// processor time, bytes and instructions.
#include "engine/pe/image.hpp"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <ctime>
#include <fstream>
#include <iterator>

namespace {

using namespace suture;

Bytes file_bytes(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::size_t decode(const ZydisDecoder& decoder, ByteView code) {
    std::size_t instructions = 0;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    for (std::size_t at = 0; at < code.size(); ++instructions) {
        const bool decoded =
            ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data() + at, code.size() - at, &instruction, operands));
        at += decoded ? instruction.length : 1u;
    }
    return instructions;
}

} // namespace

int main(int argc, char** argv) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    std::clock_t spent = 0;
    std::size_t bytes = 0;
    std::size_t instructions = 0;
    for (int i = 1; i < argc; ++i) {
        const Bytes file = file_bytes(argv[i]);
        const auto image = pe::Image::parse(file, pe::Layout::file);
        if (!image || image->machine() != Machine::x64) {
            fmt::print(stderr, "{}: not an x64 image\n", argv[i]);
            return 1;
        }
        for (const pe::Section& section : image->sections()) {
            if (!section.executable())
                continue;
            const auto code = image->bytes_at(section.range.begin, section.initialised_size());
            if (!code)
                continue;
            const std::clock_t begin = std::clock();
            instructions += decode(decoder, *code);
            spent += std::clock() - begin;
            bytes += code->size();
        }
    }
    fmt::print("{:.6f} {} {}\n", static_cast<double>(spent) / CLOCKS_PER_SEC, bytes, instructions);
}
