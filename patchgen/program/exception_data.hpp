#pragma once

#include "patchgen/program/address_words.hpp"

namespace suture::program {

/// Code that only exception data leads to.
struct ExceptionCode {
    std::vector<Rva> handlers; ///< language-specific handlers themselves: entries of functions
    /// What their data leads to by the layouts of __C_specific_handler (filters, __finally) and of __CxxFrameHandler3
    /// and 4 (unwind actions, catch handlers, where catching goes on): perhaps functions, perhaps parts of them.
    std::vector<Rva> perhaps;
    AddressWords data; ///< of all handlers, settled
};

/// Reads the data of all handlers, ascending and without repetition. What has another layout yields nothing. The
/// layouts are those of Microsoft's public headers ehdata.h and ehdata4.h, and that of GCC's LSDA, of which only the
/// types that are caught are addresses.
ExceptionCode exception_code_of(const pe::Image& image, std::span<const pe::RuntimeFunction> entries);

} // namespace suture::program
