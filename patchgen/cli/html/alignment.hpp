#pragma once

#include "patchgen/cli/disassembly/program_code.hpp"

namespace suture::cli {

/// A line of the baseline beside a line of the updated function.
struct AlignedRow {
    enum class Kind : std::uint8_t { equal, changed, removed, added };
    Kind kind = Kind::equal;
    std::optional<std::uint32_t> baseline; ///< index of the line
    std::optional<std::uint32_t> updated;
};

/// Lays two listings side by side: the longest common sequence of lines that do the same, and what lies between.
/// Beyond kMaxEdits differences what differs is shown as one block.
std::vector<AlignedRow> align(const std::vector<CodeLine>& baseline, const std::vector<CodeLine>& updated);

constexpr std::size_t kMaxEdits = 2000;

} // namespace suture::cli
