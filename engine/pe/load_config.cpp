#include "engine/pe/load_config.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/pointer.hpp"
#include "engine/pe/raw/load_config.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::pe {

namespace {

// IMAGE_GUARD_CF_FUNCTION_TABLE_SIZE_*: bytes of metadata behind each entry of the table.
constexpr std::uint32_t kGuardStrideShift = 28;
// IMAGE_GUARD_FLAG_FID_SUPPRESSED, in the first of these bytes: listed, and none the less not to be called by address.
constexpr std::uint8_t kSuppressed = 1;

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "load config: " + std::move(detail)).at(at));
}

Result<std::optional<Rva>> pointer(const Image& image, std::uint64_t value, std::string_view what) {
    if (value == 0)
        return std::nullopt;
    const auto rva = rva_of(image, value);
    if (!rva)
        return bad(image.directory(Directory::load_config).begin, fmt::format("{} points outside the image", what));
    return rva;
}

Result<void> read_guard_functions(const Image& image, Rva table, std::uint64_t count, LoadConfig& config) {
    if (count > kMaxGuardFunctions)
        return bad(table, fmt::format("{} guard functions, at most {} are taken", count, kMaxGuardFunctions));
    const std::uint64_t stride = sizeof(std::uint32_t) + (config.guard_flags >> kGuardStrideShift);
    const auto bytes = image.bytes_at(table, count * stride);
    if (!bytes)
        return bad(table, "the guard functions are not inside one section");
    std::vector<Rva>& functions = config.guard_functions;
    functions.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        const Rva function{bytes->read<std::uint32_t>(i * stride).value_or(0)};
        if (function.value >= image.size_of_image())
            return bad(function, fmt::format("guard function {} lies outside the image", i));
        if (!functions.empty() && function <= functions.back())
            return bad(function, fmt::format("guard function {} is out of order", i));
        functions.push_back(function);
        const bool has_metadata = stride > sizeof(std::uint32_t);
        if (!has_metadata ||
            (bytes->read<std::uint8_t>(i * stride + sizeof(std::uint32_t)).value_or(0) & kSuppressed) == 0)
            config.call_targets.push_back(function);
    }
    return {};
}

} // namespace

Result<LoadConfig> load_config_of(const Image& image) {
    LoadConfig config;
    const RvaRange directory = image.directory(Directory::load_config);
    if (directory.size == 0)
        return config;
    const auto size = image.read<std::uint32_t>(directory.begin);
    if (!size || *size < sizeof(std::uint32_t) || *size > kMaxLoadConfigSize)
        return bad(directory.begin, fmt::format("a structure of {} bytes", size.value_or(0)));
    const auto bytes = image.bytes_at(directory.begin, *size);
    if (!bytes)
        return bad(directory.begin, "it is not inside one section");
    raw::LoadConfigDirectory64 fields{};
    std::memcpy(&fields, bytes->data(), std::min(bytes->size(), sizeof(fields)));

    config.size = *size;
    config.guard_flags = fields.guard_flags;
    config.has_chpe = fields.chpe_metadata_pointer != 0;
    SUTURE_TRY(config.security_cookie, pointer(image, fields.security_cookie, "the security cookie"));
    SUTURE_TRY(config.guard_check_pointer, pointer(image, fields.guard_cf_check_function_pointer, "the guard check"));
    SUTURE_TRY(config.guard_dispatch_pointer,
               pointer(image, fields.guard_cf_dispatch_function_pointer, "the guard dispatch"));
    SUTURE_TRY(const auto table, pointer(image, fields.guard_cf_function_table, "the guard function table"));
    if (table && fields.guard_cf_function_count != 0)
        SUTURE_CHECK(read_guard_functions(image, *table, fields.guard_cf_function_count, config));
    if (fields.hot_patch_table_offset != 0) {
        config.hot_patch_table = Rva{fields.hot_patch_table_offset};
        if (!image.bytes_from(*config.hot_patch_table))
            return bad(*config.hot_patch_table, "the hot patch table lies outside the image");
    }
    return config;
}

} // namespace suture::pe
