#include "patchgen/emit/manifest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <future>
#include <unordered_set>

namespace suture::emit {

namespace {

template <std::size_t N>
Result<std::array<std::uint8_t, N>> hash_of(ByteView bytes, const EVP_MD* algorithm) {
    std::array<std::uint8_t, N> hash{};
    unsigned int size = N;
    if (EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, algorithm, nullptr) != 1 || size != N)
        return fail(Code::file_unreadable, "OpenSSL does not provide the hash of the baseline");
    return hash;
}

Result<package::Replacement> replacement_of(const program::Program& baseline, const diff::EmittedFunction& function,
                                            const Layout& layout, std::span<const RvaRange> masked) {
    const program::Function& old = *function.baseline;
    package::Replacement result;
    result.name = old.names.empty() ? std::string() : old.names.front();
    result.baseline = old.range.begin;
    result.baseline_size = old.range.size;
    SUTURE_TRY(result.baseline_digest, pe::masked_digest(baseline.image(), old.range, masked));
    result.site = *function.site;
    const auto entry = baseline.image().bytes_at(old.range.begin, result.site.original_size());
    const auto pad = result.site.uses_pad() ? baseline.image().bytes_at(result.site.pad, result.site.pad_size)
                                            : std::optional(ByteView());
    if (!entry || !pad)
        return fail(Error(Code::site_unproved, "bytes of the site lie outside the image")
                        .in_image(baseline.path())
                        .at(old.range.begin)
                        .in_function(old.display_name()));
    result.entry_bytes = entry->copy();
    result.pad_bytes = pad->copy();
    result.patch = layout.functions.at(function.updated->range.begin);
    result.patch_size = function.updated->range.size;
    result.loops_to_entry = function.loops_to_entry;
    return result;
}

/// Code of the baseline that runs only on behalf of changed functions: what no function of the updated image is, and
/// the counterparts of what is emitted without being redirected.
std::vector<RvaRange> retired_code(const program::Program& baseline, const diff::ChangeSet& changes) {
    std::unordered_set<Rva> emitted;
    std::unordered_set<Rva> stays;
    for (const diff::EmittedFunction& function : changes.functions) {
        if (!function.serves_baseline)
            emitted.insert(function.updated->range.begin);
        if (function.baseline)
            stays.insert(function.baseline->range.begin);
    }
    for (const auto& [old, updated] : changes.matches)
        if (!emitted.contains(updated))
            stays.insert(old);
    std::vector<RvaRange> retired;
    for (const program::Function& function : baseline.functions())
        if (!stays.contains(function.range.begin))
            retired.push_back(function.range);
    return retired;
}

} // namespace

std::string file_name_of(std::string_view path) {
    return std::string(path.substr(path.find_last_of("/\\") + 1));
}

std::string default_id(const program::Program& baseline, const program::Program& updated) {
    const std::string name = file_name_of(baseline.path());
    return fmt::format("{} {:08x} -> {:08x}", name.substr(0, name.rfind('.')), baseline.image().time_date_stamp(),
                       updated.image().time_date_stamp());
}

Result<package::Manifest> make_manifest(const program::Program& baseline, const program::Program& updated,
                                        const diff::ChangeSet& changes, const Layout& layout, const Options& options) {
    package::Manifest manifest;
    manifest.machine = baseline.image().machine();
    manifest.id = options.id.empty() ? default_id(baseline, updated) : options.id;
    manifest.sequence = options.sequence;
    manifest.module = options.module.empty() ? file_name_of(baseline.path()) : options.module;
    SUTURE_TRY(manifest.baseline, pe::header_identity_of(baseline.image()));
    auto sha1 = std::async(std::launch::async, [&] { return hash_of<20>(baseline.file(), EVP_sha1()); });
    SUTURE_TRY(manifest.baseline_sha256, hash_of<32>(baseline.file(), EVP_sha256()));
    SUTURE_TRY(manifest.baseline_sha1, sha1.get());
    SUTURE_TRY(const auto masked, pe::masked_fields_of(baseline.image()));
    SUTURE_TRY(manifest.sections, pe::section_identities_of(baseline.image(), masked));
    for (const diff::EmittedFunction& function : changes.functions) {
        if (!function.baseline)
            continue;
        SUTURE_TRY(package::Replacement replacement, replacement_of(baseline, function, layout, masked));
        manifest.functions.push_back(std::move(replacement));
    }
    std::ranges::sort(manifest.functions, {}, &package::Replacement::baseline);
    manifest.retired = retired_code(baseline, changes);
    for (const diff::EmittedData& data : changes.data)
        if (data.object.writable)
            manifest.globals.push_back({data.object.names.empty() ? std::string() : data.object.names.front(),
                                        layout.objects.at(data.object.range.begin), data.object.range.size});
    std::ranges::sort(manifest.globals, {}, &package::Global::at);
    return manifest;
}

} // namespace suture::emit
