#pragma once

#include "engine/pe/image.hpp"

namespace suture::pe {

/// Of LoadConfig::guard_flags: IMAGE_GUARD_EH_CONTINUATION_TABLE_PRESENT of winnt.h. Where shadow stacks are on, code
/// goes on after an exception nowhere else than the table says.
inline constexpr std::uint32_t kGuardContinuationTable = 0x0040'0000;

/// The fields of IMAGE_LOAD_CONFIG_DIRECTORY64 that matter here (Microsoft PE Format, "Load Configuration Layout");
/// fields behind the directory's own Size are absent. Pointers are given as RVAs.
struct LoadConfig {
    std::uint32_t size = 0; ///< the structure's own Size field; 0 where there is no load config
    std::optional<Rva> security_cookie;
    std::optional<Rva> guard_check_pointer;    ///< GuardCFCheckFunctionPointer
    std::optional<Rva> guard_dispatch_pointer; ///< GuardCFDispatchFunctionPointer
    std::vector<Rva> guard_functions;          ///< GuardCFFunctionTable, ascending
    std::uint32_t guard_flags = 0;
    std::optional<Rva> hot_patch_table; ///< HotPatchTableOffset (offset 0xF0), an RVA
    bool has_chpe = false;              ///< CHPEMetadataPointer set: Arm64EC or Arm64X
};

/// Pointers are relative to image.image_base(). Errors: pe_bad_directory.
Result<LoadConfig> load_config_of(const Image& image);

} // namespace suture::pe
