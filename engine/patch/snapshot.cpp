#include "engine/patch/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

namespace {

/// What can be read of a module that has gaps; zeros elsewhere.
Result<void> read_parts(target::Target& target, const target::Module& module, std::span<std::uint8_t> into) {
    SUTURE_TRY(const auto regions, target.regions());
    std::ranges::fill(into, std::uint8_t{0});
    bool some = false;
    for (const target::Region& region : regions) {
        if (!region.readable || !region.range.overlaps(module.range))
            continue;
        const Va begin = std::max(region.range.begin, module.range.begin);
        const Va end = std::min(region.range.end(), module.range.end());
        SUTURE_CHECK(target.read(begin, into.subspan(begin - module.range.begin, end - begin)));
        some = true;
    }
    if (!some)
        return fail(Error(Code::module_unreadable, "none of its pages is mapped").in_image(module.name));
    return {};
}

} // namespace

Result<std::unique_ptr<const Snapshot>> Snapshot::take(target::Target& target, const target::Module& module) {
    if (module.range.size == 0 || module.range.size > target::kMaxRead)
        return fail(Error(Code::module_unreadable, fmt::format("its size is given as {} bytes", module.range.size))
                        .in_image(module.name));
    std::unique_ptr<Snapshot> snapshot(new Snapshot);
    snapshot->module_ = module;
    snapshot->bytes_.resize(static_cast<std::size_t>(module.range.size));
    // Mostly it has no gaps, which one call tells.
    if (!target.read(module.range.begin, snapshot->bytes_))
        SUTURE_CHECK(read_parts(target, module, snapshot->bytes_));

    const auto located = [&](Error error) { return std::unexpected(std::move(error).in_image(module.name)); };
    auto image = pe::Image::parse(snapshot->bytes_, pe::Layout::mapped);
    if (!image)
        return located(std::move(image).error());
    snapshot->image_ = std::move(*image);
    auto masked = pe::masked_fields_of(*snapshot->image_);
    if (!masked)
        return located(std::move(masked).error());
    snapshot->masked_ = std::move(*masked);
    return snapshot;
}

} // namespace suture::patch
