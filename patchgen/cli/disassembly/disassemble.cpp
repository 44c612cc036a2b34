#include "patchgen/cli/disassembly/disassemble.hpp"

#include "patchgen/cli/disassembly/machines.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace suture::cli {

std::vector<Line> disassemble(Machine machine, ByteView bytes, Rva at, std::uint64_t base, const NameAddress& name) {
    return machine == Machine::x64 ? disassemble_x64(bytes, at, base, name) : disassemble_arm64(bytes, at, base, name);
}

std::vector<Line> data_lines(ByteView bytes, Rva at) {
    std::vector<Line> lines;
    for (std::uint32_t offset = 0; offset < bytes.size(); offset += 16) {
        const ByteView row = *bytes.slice(offset, std::min<std::size_t>(16, bytes.size() - offset));
        lines.push_back(
            {at + offset, row.copy(), fmt::format("db 0x{:02x}", fmt::join(row.begin(), row.end(), ", 0x")), {}});
    }
    return lines;
}

} // namespace suture::cli
