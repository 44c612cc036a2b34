#pragma once

#include "patchgen/cli/disassembly/disassemble.hpp"

namespace suture::cli {

std::vector<Line> disassemble_x64(ByteView bytes, Rva at, std::uint64_t base, const NameAddress& name);
std::vector<Line> disassemble_arm64(ByteView bytes, Rva at, std::uint64_t base, const NameAddress& name);

/// Turns words of Arm64 code into text, one instruction at a time.
class Arm64Text {
  public:
    Arm64Text();
    ~Arm64Text();
    Arm64Text(const Arm64Text&) = delete;
    Arm64Text& operator=(const Arm64Text&) = delete;

    /// "add x0, x1, #0x8"; empty where the word is no instruction, or where the build has no disassembler.
    std::string of(std::uint32_t word) const;

  private:
    void* context_ = nullptr;
};

} // namespace suture::cli
