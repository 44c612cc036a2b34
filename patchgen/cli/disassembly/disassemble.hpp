#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/machine.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace suture::cli {

/// One instruction as text; what is no instruction is a line of data.
struct Line {
    Rva at;
    Bytes bytes;
    std::string text;
    /// What the instruction refers to by address, as it was asked for; of several the last.
    std::optional<std::uint64_t> target;
};

/// What lies at an address, or nothing where it has no name: then the text holds the number.
using NameAddress = std::function<std::optional<std::string>(std::uint64_t address)>;

/// `bytes` as instructions that lie at `base` + `at`, one after the other. Never fails: what is no instruction is data.
std::vector<Line> disassemble(Machine machine, ByteView bytes, Rva at, std::uint64_t base, const NameAddress& name);

/// `bytes` as data, up to 16 to a line.
std::vector<Line> data_lines(ByteView bytes, Rva at);

} // namespace suture::cli
