#include "loader/windows/views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace suture::loader {

namespace {

void* pointer(Va at) {
    return reinterpret_cast<void*>(at.value);
}

std::unexpected<Error> failed(std::string_view what, VaRange range, std::string why) {
    return fail(Code::target_map_failed,
                fmt::format("{} 0x{:x} bytes at 0x{:x}: {}", what, range.size, range.begin.value, why));
}

std::string status_text(NTSTATUS status) {
    return fmt::format("status 0x{:08x}", static_cast<std::uint32_t>(status));
}

/// Mappings that become one view: a view begins at a multiple of the granularity, so neighbours have to share one.
struct View {
    VaRange range;
    std::vector<const target::Mapping*> mappings;
};

Va granule(Va at) {
    return Va{at.value & ~(kGranularity - 1)};
}

/// In the order of what comes first of each.
std::vector<View> views_of(std::span<const target::Mapping> mappings) {
    std::vector<const target::Mapping*> ascending;
    for (const target::Mapping& mapping : mappings)
        ascending.push_back(&mapping);
    std::ranges::sort(ascending, {}, [](const target::Mapping* mapping) { return mapping->range.begin; });
    std::vector<View> views;
    for (const target::Mapping* mapping : ascending) {
        if (views.empty() || granule(mapping->range.begin) >= views.back().range.end())
            views.push_back({{granule(mapping->range.begin), 0}, {}});
        View& view = views.back();
        view.range.size = std::max(view.range.end(), mapping->range.end()) - view.range.begin;
        view.mappings.push_back(mapping);
    }
    const auto first_of = [](const View& view) { return *std::ranges::min_element(view.mappings); };
    std::ranges::sort(views, {}, first_of);
    return views;
}

DWORD protection_of(target::Protection protection) {
    switch (protection) {
    case target::Protection::read:
        return PAGE_READONLY;
    case target::Protection::read_write:
        return PAGE_WRITECOPY; // what the process writes is its own
    case target::Protection::read_execute:
        return PAGE_EXECUTE_READ;
    }
    return PAGE_NOACCESS;
}

/// A section with the content of the view. This process's own view of it is gone when it returns.
Result<Handle> section_of(const View& view) {
    LARGE_INTEGER size{};
    size.QuadPart = static_cast<LONGLONG>(view.range.size);
    HANDLE made = nullptr;
    NTSTATUS status =
        NtCreateSection(&made, SECTION_ALL_ACCESS, nullptr, &size, PAGE_EXECUTE_READWRITE, SEC_COMMIT, nullptr);
    if (!succeeded(status))
        return failed("a section of", view.range, status_text(status));
    Handle section(made);
    void* const here = ::MapViewOfFile(section.get(), FILE_MAP_WRITE, 0, 0, view.range.size);
    if (!here)
        return failed("a section of", view.range, last_error());
    for (const target::Mapping* mapping : view.mappings)
        std::memcpy(static_cast<std::uint8_t*>(here) + (mapping->range.begin - view.range.begin),
                    mapping->content.data(), mapping->content.size());
    ::UnmapViewOfFile(here);
    return section;
}

/// Every page its own protection; between mappings nobody has access.
bool protect(const Memory& memory, const View& view) {
    Va at = view.range.begin;
    const auto close = [&](Va until) {
        return until == at || memory.protect({at, until - at}, PAGE_NOACCESS);
    };
    for (const target::Mapping* mapping : view.mappings) {
        if (!close(mapping->range.begin) || !memory.protect(mapping->range, protection_of(mapping->protection)))
            return false;
        at = mapping->range.end();
    }
    return true;
}

Result<void> map_view(const Memory& memory, Unfinished& unfinished, const View& view) {
    SUTURE_TRY(const Handle section, section_of(view));
    if (!std::ranges::all_of(memory.pages(view.range), [](const Pages& pages) { return pages.state == MEM_FREE; }))
        return failed("mapping", view.range, "something is there");
    void* base = pointer(view.range.begin);
    SIZE_T size = view.range.size;
    unfinished.view = view.range.begin.value;
    const NTSTATUS status = NtMapViewOfSection(section.get(), memory.process(), &base, 0, 0, nullptr, &size,
                                               kViewUnmap, 0, PAGE_EXECUTE_READ);
    if (!succeeded(status)) {
        unfinished.view = 0; // what is there is somebody else's
        return failed("mapping", view.range, status_text(status));
    }
    // Systems are known that look for another place, and call that success.
    const bool in_place = base == pointer(view.range.begin);
    const bool done = in_place && protect(memory, view);
    if (!done)
        NtUnmapViewOfSection(memory.process(), base);
    unfinished.view = 0;
    return done ? Result<void>() : failed("mapping", view.range, in_place ? last_error() : "it came elsewhere");
}

/// Where the view that these pages belong to ends.
Va end_of_view(const Memory& memory, Va allocation) {
    Va end = allocation;
    while (const auto pages = memory.query(end)) {
        if (pages->state == MEM_FREE || pages->allocation.begin != allocation)
            break;
        end = pages->range.end();
    }
    return end;
}

} // namespace

Result<void> map_views(const Memory& memory, Unfinished& unfinished, std::span<const target::Mapping> mappings) {
    std::vector<VaRange> done;
    for (const View& view : views_of(mappings)) {
        if (auto mapped = map_view(memory, unfinished, view); !mapped) {
            for (const VaRange& range : done)
                NtUnmapViewOfSection(memory.process(), pointer(range.begin));
            return mapped;
        }
        done.push_back(view.range);
    }
    return {};
}

Result<void> unmap_views(const Memory& memory, std::span<const VaRange> ranges) {
    std::vector<VaRange> views;
    const auto given_back = [&](Va at) {
        return std::ranges::any_of(ranges, [&](const VaRange& range) { return range.contains(at); });
    };
    for (const VaRange& range : ranges)
        for (const Pages& pages : memory.pages(range)) {
            const Va begin = pages.allocation.begin;
            if (pages.type != MEM_MAPPED)
                return failed("unmapping", range, "it is no view of a section");
            if (std::ranges::find(views, begin, &VaRange::begin) == views.end())
                views.push_back({begin, end_of_view(memory, begin) - begin});
        }
    for (const VaRange& view : views) {
        bool whole = true;
        for (const Pages& pages : memory.pages(view))
            for (Va at = pages.range.begin; at < pages.range.end(); at = at + 0x1000)
                whole = whole && (pages.given_back() || given_back(at));
        if (whole) {
            if (const NTSTATUS status = NtUnmapViewOfSection(memory.process(), pointer(view.begin)); !succeeded(status))
                return failed("unmapping", view, status_text(status));
            continue;
        }
        for (const VaRange& range : ranges) {
            const Va begin = std::max(range.begin, view.begin);
            const Va end = std::min(range.end(), view.end());
            if (begin < end && !memory.protect({begin, end - begin}, PAGE_NOACCESS))
                return failed("unmapping", range, last_error());
        }
    }
    return {};
}

} // namespace suture::loader
