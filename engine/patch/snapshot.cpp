#include "engine/patch/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

Result<std::unique_ptr<const Snapshot>> Snapshot::take(target::Target& target, const target::Module& module) {
    if (module.range.size == 0 || module.range.size > target::kMaxRead)
        return fail(Error(Code::module_unreadable, fmt::format("its size is given as {} bytes", module.range.size))
                        .in_image(module.name));
    SUTURE_TRY(const auto regions, target.regions());
    std::unique_ptr<Snapshot> snapshot(new Snapshot);
    snapshot->module_ = module;

    std::uint64_t readable = 0;
    for (const target::Region& region : regions)
        if (region.readable && region.range.overlaps(module.range))
            readable +=
                std::min(region.range.end(), module.range.end()) - std::max(region.range.begin, module.range.begin);
    if (readable == 0)
        return fail(Error(Code::module_unreadable, "none of its pages is mapped").in_image(module.name));

    snapshot->bytes_.resize(static_cast<std::size_t>(module.range.size));
    for (const target::Region& region : regions) {
        if (!region.readable || !region.range.overlaps(module.range))
            continue;
        const Va begin = std::max(region.range.begin, module.range.begin);
        const Va end = std::min(region.range.end(), module.range.end());
        SUTURE_CHECK(target.read(begin, std::span(snapshot->bytes_).subspan(begin - module.range.begin, end - begin)));
    }

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
