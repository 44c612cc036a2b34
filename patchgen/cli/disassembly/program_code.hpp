#pragma once

#include "patchgen/cli/disassembly/names.hpp"

namespace suture::cli {

/// One instruction of a function, or data in the midst of it, with what it refers to named.
struct CodeLine {
    std::uint32_t offset = 0; ///< from the function's entry
    std::string text;
    std::string note; ///< what is referred to: the text of a string, the value of a constant; may be empty
    /// Equal for lines that do the same in both programs, but for branches inside the function, see `inner`.
    std::string key;
    std::optional<std::uint32_t> inner; ///< offset in the function that it branches or refers to
    std::optional<Rva> function;        ///< entry of another function that it refers to
};

/// A function's code. One that was not understood is taken as instructions from its entry on.
std::vector<CodeLine> code_of(const Names& names, const program::Function& function);

} // namespace suture::cli
