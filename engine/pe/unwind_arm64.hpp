#pragma once

#include "engine/pe/runtime_functions.hpp"

namespace suture::pe {

/// An epilogue of a function and where its unwind codes start ("Epilog scopes" of "ARM64 exception handling", Microsoft
/// Learn).
struct EpilogArm64 {
    std::uint32_t start = 0;      ///< bytes from the start of the function or fragment
    std::uint32_t first_code = 0; ///< index into UnwindInfoArm64::codes, in bytes

    auto operator<=>(const EpilogArm64&) const = default;
};

/// The unwind data of an entry of an Arm64 .pdata: an .xdata record, version 0, or what the entry itself says.
struct UnwindInfoArm64 {
    /// The entry's second word where that is all there is; else 0, and all below is from the .xdata record.
    std::uint32_t packed = 0;
    std::uint32_t function_size = 0;      ///< bytes that the entry covers
    std::vector<EpilogArm64> epilogs;     ///< in file order; empty where `single_epilog`
    bool single_epilog = false;           ///< flag E: one epilogue, at the end of the function
    std::uint32_t single_epilog_code = 0; ///< of meaning with `single_epilog`: index of its first code, in bytes
    /// Unwind codes, those of the prologue first; filled up to whole words.
    Bytes codes;
    std::optional<Rva> handler;   ///< language-specific handler
    std::uint32_t handler_at = 0; ///< of meaning with `handler` only: where in the record its RVA stands, in bytes
    Rva handler_data;             ///< likewise: first byte of the language-specific data
    /// Bytes of the record, the handler's RVA included and its data excluded; 0 where the entry is packed.
    std::uint32_t size = 0;
    /// The entry covers a further part of a function, whose prologue lies in another entry: codes that begin with
    /// end_c, or Flag 2 of a packed entry. Its codes still describe that prologue.
    bool fragment = false;

    /// True if both say the same of functions of the same size, handlers and their data apart: an image can have the
    /// one in place of the other once its handler is compared.
    bool same_frames(const UnwindInfoArm64& other) const {
        return packed == other.packed && function_size == other.function_size && epilogs == other.epilogs &&
               single_epilog == other.single_epilog && single_epilog_code == other.single_epilog_code &&
               codes == other.codes && handler.has_value() == other.handler.has_value();
    }
};

/// Bytes of the unwind code that `codes` starts with, 1 to 4; 0 if it is cut off, or reserved.
std::uint32_t unwind_code_size_arm64(ByteView codes);

/// Bytes of the .xdata record that `start` is the start of (8 bytes; 4 may be enough), the handler's RVA included.
/// Nothing if it is malformed or cut off before that can be told.
std::optional<std::uint32_t> unwind_record_size_arm64(ByteView start);

/// The unwind data of an entry of an Arm64 image. The codes of the prologue and of each epilogue are whole and end.
/// Errors: pe_bad_directory.
Result<UnwindInfoArm64> unwind_info_arm64_of(const Image& image, const RuntimeFunction& function);

} // namespace suture::pe
