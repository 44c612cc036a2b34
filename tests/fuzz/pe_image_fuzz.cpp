// Every reader of engine/pe on any bytes, taken as a file and as a mapping. What a reader accepts must hold together.

#include "engine/pe/checksum.hpp"
#include "engine/pe/debug.hpp"
#include "engine/pe/exports.hpp"
#include "engine/pe/identity.hpp"
#include "engine/pe/imports.hpp"
#include "engine/pe/load_config.hpp"
#include "engine/pe/relocations.hpp"
#include "engine/pe/tls.hpp"
#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_steps_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <algorithm>
#include <cstdlib>

namespace suture::pe {
namespace {

/// Larger zero fill takes time and shows nothing.
constexpr std::uint32_t kLargestHashed = 4u << 20;
constexpr std::size_t kMostUnwound = 4096;

void require(bool condition) {
    if (!condition)
        std::abort();
}

/// A walk may begin at any instruction; functions are long, and their middles alike.
void undo_everywhere(const UnwindInfoArm64& info) {
    constexpr std::uint32_t kMostOffsets = 64;
    const std::uint32_t stride = std::max(info.function_size / kMostOffsets & ~3u, 4u);
    for (std::uint64_t offset = 0; offset <= info.function_size; offset += stride) {
        const auto steps = unwind_steps_arm64(info, static_cast<std::uint32_t>(offset));
        for (const UnwindStepArm64& step : steps.value_or(std::vector<UnwindStepArm64>()))
            for (const std::uint8_t number : step.registers)
                require(number <= 30 || number == UnwindStepArm64::kNone);
    }
}

void read_unwind_data(const Image& image) {
    const auto functions = runtime_functions_of(image);
    if (!functions)
        return;
    for (const RuntimeFunction& function : std::span(*functions).first(std::min(functions->size(), kMostUnwound))) {
        require(runtime_function_at(*functions, function.range.begin) == &function);
        if (image.machine() == Machine::arm64) {
            const auto info = unwind_info_arm64_of(image, function);
            require(!info || info->packed != 0 || image.bytes_at(function.unwind_info, info->size).has_value());
            require(!info || info->function_size == function.range.size);
            if (info)
                undo_everywhere(*info);
        } else {
            const auto info = unwind_info_at(image, function.unwind_info);
            require(!info || image.bytes_at(function.unwind_info, info->size).has_value());
        }
    }
}

void read_identity(const Image& image) {
    (void)header_identity_of(image);
    const auto masked = masked_fields_of(image);
    if (!masked || image.size_of_image() > kLargestHashed)
        return;
    for (std::size_t i = 1; i < masked->size(); ++i)
        require((*masked)[i - 1].end() <= (*masked)[i].begin.value);
    const Overlay overlay{image.entry_point(), Bytes(16, 0xcc)};
    require(section_identities_of(image, *masked, std::span(&overlay, 1)).has_value());
    for (const Section& section : image.sections())
        require(image.content(section.range).has_value());
}

void read_all(ByteView bytes, Layout layout) {
    const auto image = Image::parse(bytes, layout);
    if (!image) {
        require(!image.error().message().empty());
        return;
    }
    for (const Section& section : image->sections()) {
        require(section.range.end() <= image->size_of_image());
        require(section.range.size == 0 || image->section_at(section.range.begin) == &section);
    }
    if (const auto relocations = relocations_of(*image)) {
        for (const Relocation& relocation : *relocations)
            require(image->in_one_section({relocation.at, relocation.size}));
    }
    (void)exports_of(*image);
    (void)imports_of(*image);
    (void)debug_info_of(*image);
    (void)load_config_of(*image);
    (void)tls_of(*image);
    (void)checksum_holds(*image);
    read_unwind_data(*image);
    read_identity(*image);
}

} // namespace
} // namespace suture::pe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::pe::read_all({data, size}, suture::pe::Layout::file);
    suture::pe::read_all({data, size}, suture::pe::Layout::mapped);
    return 0;
}
