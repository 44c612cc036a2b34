#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// Of LoadConfig::guard_flags: IMAGE_GUARD_EH_CONTINUATION_TABLE_PRESENT of winnt.h. Where shadow stacks are on, code
/// goes on after an exception nowhere else than the table says.
inline constexpr std::uint32_t kGuardContinuationTable = 0x0040'0000;
/// Likewise IMAGE_GUARD_CF_INSTRUMENTED and IMAGE_GUARD_CF_FUNCTION_TABLE_PRESENT: calls by address are checked, and go
/// to what the table lists.
inline constexpr std::uint32_t kGuardInstrumented = 0x0000'0100;
inline constexpr std::uint32_t kGuardFunctionTable = 0x0000'0400;

/// The fields of IMAGE_LOAD_CONFIG_DIRECTORY64 that matter here (Microsoft PE Format, "Load Configuration Layout");
/// fields behind the directory's own Size are absent. Pointers are given as RVAs.
struct LoadConfig {
    std::uint32_t size = 0; ///< the structure's own Size field; 0 where there is no load config
    std::optional<Rva> security_cookie;
    std::optional<Rva> guard_check_pointer;    ///< GuardCFCheckFunctionPointer
    std::optional<Rva> guard_dispatch_pointer; ///< GuardCFDispatchFunctionPointer
    std::vector<Rva> guard_functions;          ///< GuardCFFunctionTable, ascending
    std::vector<Rva> call_targets; ///< those of guard_functions that may be called by their address: not suppressed
    std::uint32_t guard_flags = 0;
    std::optional<Rva> hot_patch_table; ///< HotPatchTableOffset (offset 0xF0), an RVA
    bool has_chpe = false;              ///< CHPEMetadataPointer set: Arm64EC or Arm64X

    /// Whether control-flow guard checks calls by address in this image.
    bool is_guarded() const {
        return (guard_flags & kGuardInstrumented) != 0 && (guard_flags & kGuardFunctionTable) != 0;
    }
};

/// Pointers are relative to image.image_base(). Errors: pe_bad_directory.
Result<LoadConfig> load_config_of(const Image& image);

} // namespace suture::pe
