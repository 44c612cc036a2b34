#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"

#include <Zydis/Zydis.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace suture::isa::x64 {

/// "48 89 e5" as bytes.
inline Bytes hex(std::string_view text) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < text.size(); i += text[i] == ' ' ? 1u : 2u)
        if (text[i] != ' ')
            out.push_back(static_cast<std::uint8_t>(std::strtoul(std::string(text.substr(i, 2)).c_str(), nullptr, 16)));
    return out;
}

/// The instructions of `code` as they read at `at`, targets and RIP-relative operands absolute. Stops with "?" at
/// what is no instruction.
inline std::vector<std::string> disassemble(ByteView code, Va at) {
    std::vector<std::string> out;
    ZydisDisassembledInstruction instruction;
    for (std::size_t offset = 0; offset < code.size(); offset += instruction.info.length) {
        if (ZYAN_FAILED(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, at.value + offset, code.data() + offset,
                                              code.size() - offset, &instruction))) {
            out.push_back("?");
            break;
        }
        out.emplace_back(instruction.text);
    }
    return out;
}

using Text = std::vector<std::string>;

} // namespace suture::isa::x64
