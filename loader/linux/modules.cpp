#include "loader/linux/wine.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace suture::loader {

namespace {

// PEB_LDR_DATA and LDR_DATA_TABLE_ENTRY (winternl.h of Wine) on 64 bits.
constexpr std::uint32_t kPebLoader = 0x18;
/// Where a list begins in PEB_LDR_DATA, and its links lie in an entry.
struct ListPlace {
    std::uint32_t head, links;
};
constexpr ListPlace kLoadOrder{0x10, 0x00};
/// A module is entered just before its code runs for the first time.
constexpr ListPlace kInitializationOrder{0x30, 0x20};

struct ListEntry {
    std::uint64_t next, previous;
};
struct UnicodeString {
    std::uint16_t length, capacity; ///< bytes
    std::uint32_t padding;
    std::uint64_t buffer;
};
struct LoaderEntry {
    ListEntry load_order, memory_order, initialization_order;
    std::uint64_t base, entry_point;
    std::uint32_t size_of_image, padding;
    UnicodeString path, name;
};
static_assert(offsetof(LoaderEntry, base) == 0x30 && offsetof(LoaderEntry, size_of_image) == 0x40 &&
              offsetof(LoaderEntry, name) == 0x58);

/// Far more than any program loads; a list that is longer is no list.
constexpr std::size_t kMaxModules = 4096;
/// The list changes while it is read when the process loads or unloads.
constexpr int kAttempts = 8;

void append_utf8(std::string& text, std::uint32_t point) {
    const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (point < 0x80) {
        put(point);
    } else if (point < 0x800) {
        put(0xc0 | point >> 6), put(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        put(0xe0 | point >> 12), put(0x80 | (point >> 6 & 0x3f)), put(0x80 | (point & 0x3f));
    } else {
        put(0xf0 | point >> 18), put(0x80 | (point >> 12 & 0x3f)), put(0x80 | (point >> 6 & 0x3f)),
            put(0x80 | (point & 0x3f));
    }
}

std::string utf8(std::u16string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::uint32_t unit = text[i];
        const bool high = unit >= 0xd800 && unit < 0xdc00;
        if (high && i + 1 < text.size() && text[i + 1] >= 0xdc00 && text[i + 1] < 0xe000)
            append_utf8(out, 0x10000 + ((unit - 0xd800) << 10) + (text[++i] - 0xdc00u));
        else
            append_utf8(out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
    }
    return out;
}

std::optional<std::string> read_name(const Memory& memory, const UnicodeString& name) {
    std::u16string text(name.length / 2, u'\0');
    if (!memory.read(Va{name.buffer}, {reinterpret_cast<std::uint8_t*>(text.data()), 2 * text.size()}))
        return std::nullopt;
    return utf8(text);
}

/// Wine maps the headers of an image from its file, also where it copies the sections.
std::string path_of(const std::vector<MapEntry>& maps, Va base) {
    const MapEntry* entry = find_entry(maps, base);
    if (!entry || entry->inode == 0 || entry->path.ends_with(" (deleted)"))
        return {};
    return entry->path;
}

/// Nothing if what is found is no list.
std::optional<std::vector<target::Module>> walk(const Memory& memory, Va peb, const std::vector<MapEntry>& maps,
                                                ListPlace place) {
    const auto loader = memory.value<std::uint64_t>(peb + kPebLoader);
    if (!loader || *loader == 0)
        return std::vector<target::Module>{};
    const Va head = Va{*loader} + place.head;
    const auto first = memory.value<ListEntry>(head);
    if (!first)
        return std::nullopt;
    std::vector<target::Module> modules;
    Va previous = head;
    for (Va at{first->next}; at != head;) {
        const auto links = memory.value<ListEntry>(at);
        const auto entry = memory.value<LoaderEntry>(Va{at.value - place.links});
        if (!links || !entry || links->previous != previous.value || modules.size() == kMaxModules)
            return std::nullopt;
        const VaRange range{Va{entry->base}, entry->size_of_image};
        auto name = read_name(memory, entry->name);
        if (!name || range.size == 0 || range.begin.value % 0x1000 != 0 || range.end() < range.begin)
            return std::nullopt;
        modules.push_back({std::move(*name), range, path_of(maps, range.begin)});
        previous = at;
        at = Va{links->next};
    }
    return modules;
}

} // namespace

Result<std::vector<target::Module>> list_modules(const Memory& memory, Va peb, const std::vector<MapEntry>& maps) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        auto modules = walk(memory, peb, maps, kLoadOrder);
        if (!modules)
            continue;
        if (modules->empty())
            return fail(Code::target_not_pe, fmt::format("process {} has loaded no module yet", memory.pid()));
        return std::move(*modules);
    }
    SUTURE_CHECK(memory.check_alive());
    return fail(Code::target_read_failed,
                fmt::format("the list of modules of process {} is damaged or changes all the time", memory.pid()));
}

bool any_module_has_begun(const Memory& memory, Va peb) {
    const auto loader = memory.value<std::uint64_t>(peb + kPebLoader);
    if (!loader || *loader == 0)
        return false;
    const Va head = Va{*loader} + kInitializationOrder.head;
    const auto first = memory.value<std::uint64_t>(head);
    return first && *first != 0 && *first != head.value;
}

std::optional<std::vector<std::string>> modules_that_have_begun(const Memory& memory, Va peb) {
    const auto modules = walk(memory, peb, {}, kInitializationOrder);
    if (!modules)
        return std::nullopt;
    std::vector<std::string> names;
    for (const target::Module& module : *modules)
        names.push_back(module.name);
    return names;
}

} // namespace suture::loader
