#include "loader/host/module_list.hpp"

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace suture::loader {

namespace {

// PEB_LDR_DATA and LDR_DATA_TABLE_ENTRY (winternl.h of Wine) on 64 bits.
constexpr std::uint32_t kPebLoader = 0x18;
/// Where a list begins in PEB_LDR_DATA, and its links lie in an entry.
struct ListPlace {
    std::uint32_t head, links;
};
constexpr ListPlace kLoadOrder{0x10, 0x00};
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

template <class T>
std::optional<T> value(const ReadMemory& read, Va at) {
    T found{};
    if (!read(at, {reinterpret_cast<std::uint8_t*>(&found), sizeof(T)}))
        return std::nullopt;
    return found;
}

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

std::optional<std::string> read_name(const ReadMemory& read, const UnicodeString& name) {
    std::u16string text(name.length / 2, u'\0');
    if (!read(Va{name.buffer}, {reinterpret_cast<std::uint8_t*>(text.data()), 2 * text.size()}))
        return std::nullopt;
    return utf8(text);
}

} // namespace

std::optional<std::vector<ListedModule>> walk_modules(const ReadMemory& read, Va peb, ModuleOrder order) {
    const ListPlace place = order == ModuleOrder::loaded ? kLoadOrder : kInitializationOrder;
    const auto loader = value<std::uint64_t>(read, peb + kPebLoader);
    if (!loader || *loader == 0)
        return std::vector<ListedModule>{};
    const Va head = Va{*loader} + place.head;
    const auto first = value<ListEntry>(read, head);
    if (!first)
        return std::nullopt;
    std::vector<ListedModule> modules;
    if (first->next == 0) // it is not set up yet
        return modules;
    Va previous = head;
    for (Va at{first->next}; at != head;) {
        const auto links = value<ListEntry>(read, at);
        const auto entry = value<LoaderEntry>(read, Va{at.value - place.links});
        if (!links || !entry || links->previous != previous.value || modules.size() == kMaxModules)
            return std::nullopt;
        const VaRange range{Va{entry->base}, entry->size_of_image};
        auto name = read_name(read, entry->name);
        auto path = read_name(read, entry->path);
        if (!name || !path || range.size == 0 || range.begin.value % 0x1000 != 0 || range.end() < range.begin)
            return std::nullopt;
        modules.push_back({std::move(*name), std::move(*path), range});
        previous = at;
        at = Va{links->next};
    }
    return modules;
}

} // namespace suture::loader
