#include "engine/package/hotp_section.hpp"

#include "engine/package/byte_writer.hpp"
#include "engine/package/limits.hpp"
#include "engine/package/manifest_record.hpp"
#include "engine/package/patch_table.hpp"
#include "engine/pe/load_config.hpp"

namespace suture::package {

Bytes encode_hotp(const Manifest& manifest, Rva at) {
    const Bytes table = encode_patch_table(manifest);

    HotpHeader header{};
    header.magic = kHotpMagic;
    header.format_version = kFormatVersion;

    pe::raw::LoadConfigDirectory64 load_config{};
    load_config.size = sizeof(load_config);
    load_config.guard_flags = manifest.guarded ? pe::kGuardInstrumented : 0;
    load_config.hot_patch_table_offset = at.value + kInfoAt;

    HotPatchInfo info{};
    info.version = kHotPatchInfoVersion;
    info.size = kPatchTableAt - kInfoAt + static_cast<std::uint32_t>(table.size());
    info.sequence_number = manifest.sequence;
    info.base_image_list = kBaseListAt - kInfoAt;
    info.base_image_count = 1;
    info.min_sequence_number = manifest.min_sequence;

    HotPatchBase base{};
    base.sequence_number = manifest.sequence;
    base.flags = base_flags(manifest.machine);
    base.original_time_date_stamp = manifest.baseline.time_date_stamp;
    base.original_check_sum = manifest.baseline.checksum;
    base.code_integrity_info = kHashesAt - kInfoAt;
    base.code_integrity_size = sizeof(HotPatchHashes);
    base.patch_table = kPatchTableAt - kInfoAt;

    ByteWriter out;
    out.put(header);
    out.put(load_config);
    out.put(info);
    out.put(std::uint32_t{kBaseAt - kInfoAt});
    out.put(base);
    out.put(HotPatchHashes{manifest.baseline_sha256, manifest.baseline_sha1});
    out.put_bytes(table);
    out.put_bytes(encode_manifest_record(manifest));
    return out.take();
}

Result<Manifest> decode_hotp(ByteView hotp, Machine machine) {
    const auto load_config = hotp.read<pe::raw::LoadConfigDirectory64>(kLoadConfigAt);
    const auto info = hotp.read<HotPatchInfo>(kInfoAt);
    const auto base = hotp.read<HotPatchBase>(kBaseAt);
    const auto hashes = hotp.read<HotPatchHashes>(kHashesAt);
    const auto rest = hotp.from(kPatchTableAt);
    if (!load_config || !info || !base || !hashes || !rest)
        return fail(Code::package_malformed, "the .hotp section is too small for its structures");
    SUTURE_TRY(PatchTable table, decode_patch_table(*rest));

    Manifest manifest;
    manifest.machine = machine;
    manifest.sequence = info->sequence_number;
    manifest.min_sequence = info->min_sequence_number;
    manifest.baseline.machine = machine;
    manifest.baseline.time_date_stamp = base->original_time_date_stamp;
    manifest.baseline.checksum = base->original_check_sum;
    manifest.baseline_sha256 = hashes->sha256;
    manifest.baseline_sha1 = hashes->sha1;
    manifest.fixups = std::move(table.fixups);
    manifest.guarded = load_config->guard_flags != 0;
    manifest.call_targets = std::move(table.call_targets);
    manifest.baseline_call_targets = std::move(table.baseline_call_targets);
    for (const FunctionRecord& record : table.functions) {
        Replacement function;
        function.baseline = record.baseline;
        function.patch = record.patch;
        manifest.functions.push_back(std::move(function));
    }
    SUTURE_CHECK(decode_manifest_record(*rest->from(table.size), manifest));
    return manifest;
}

} // namespace suture::package
