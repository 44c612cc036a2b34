#pragma once

#include "engine/pe/runtime_functions.hpp"

namespace suture::pe {

/// Operation numbers, UWOP_* of "x64 exception handling" (Microsoft Learn); `epilog` is of version 2.
namespace uwop {
enum Operation : std::uint8_t {
    push_nonvol = 0,
    alloc_large = 1,
    alloc_small = 2,
    set_fpreg = 3,
    save_nonvol = 4,
    save_nonvol_far = 5,
    epilog = 6,
    save_xmm128 = 8,
    save_xmm128_far = 9,
    push_machframe = 10,
};
} // namespace uwop

/// A decoded unwind operation. Operation numbers are UWOP_* of the same page.
struct UnwindCode {
    std::uint8_t prolog_offset = 0; ///< offset of the end of the prologue instruction, in bytes
    std::uint8_t operation = 0;     ///< UWOP_*
    std::uint8_t info = 0;          ///< register number or operation info
    /// Allocation or save offset, scaled to bytes; for an epilog code the second slot as it stands; 0 where there is
    /// none.
    std::uint32_t operand = 0;
};

/// UNWIND_INFO, versions 1 and 2.
struct UnwindInfo {
    std::uint8_t version = 1;
    std::uint8_t flags = 0;                 ///< UNW_FLAG_EHANDLER 1, UHANDLER 2, CHAININFO 4
    std::uint8_t prolog_size = 0;           ///< bytes
    std::uint8_t frame_register = 0;        ///< 0: none
    std::uint32_t frame_offset = 0;         ///< bytes
    std::vector<UnwindCode> codes;          ///< in file order (descending prologue offset); epilog codes (6) included
    std::optional<RuntimeFunction> chained; ///< the entry this one continues
    std::optional<Rva> handler;             ///< language-specific handler
    Rva handler_data;       ///< first byte of the language-specific data; of meaning with `handler` only
    std::uint32_t size = 0; ///< bytes of UNWIND_INFO itself, handler data excluded
};

/// The UNWIND_INFO at `rva`. `chained` is not followed: an image may chain entries in a circle, so whoever follows
/// must count. Errors: pe_bad_directory.
Result<UnwindInfo> unwind_info_at(const Image& image, Rva rva);

} // namespace suture::pe
