#include "patchgen/cli/disassembly/machines.hpp"

#include <llvm-c/Disassembler.h>

#include <algorithm>

// Declared here: llvm-c/Target.h declares them for every machine that LLVM was built with.
extern "C" {
void LLVMInitializeAArch64TargetInfo(void);
void LLVMInitializeAArch64TargetMC(void);
void LLVMInitializeAArch64Disassembler(void);
}

namespace suture::cli {

Arm64Text::Arm64Text() {
    [[maybe_unused]] static const bool initialised = [] {
        LLVMInitializeAArch64TargetInfo();
        LLVMInitializeAArch64TargetMC();
        LLVMInitializeAArch64Disassembler();
        return true;
    }();
    context_ = LLVMCreateDisasmCPUFeatures("aarch64-pc-windows-msvc", "", "+all", nullptr, 0, nullptr, nullptr);
    if (context_)
        LLVMSetDisasmOptions(context_, LLVMDisassembler_Option_PrintImmHex);
}

Arm64Text::~Arm64Text() {
    if (context_)
        LLVMDisasmDispose(context_);
}

std::string Arm64Text::of(std::uint32_t word) const {
    if (!context_)
        return {};
    std::uint8_t bytes[4];
    for (int i = 0; i < 4; ++i)
        bytes[i] = static_cast<std::uint8_t>(word >> (8 * i));
    char text[256] = {};
    if (LLVMDisasmInstruction(context_, bytes, sizeof(bytes), 0, text, sizeof(text)) != sizeof(bytes))
        return {};
    std::string line(text);
    line.erase(0, line.find_first_not_of("\t "));
    std::replace(line.begin(), line.end(), '\t', ' ');
    return line;
}

} // namespace suture::cli
