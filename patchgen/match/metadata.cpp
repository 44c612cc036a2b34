#include "patchgen/match/metadata.hpp"

#include <algorithm>
#include <array>

namespace suture::match {

namespace {

using Kind = Metadata::Kind;

/// Longest list of an import lookup table that is followed, in entries: that of the largest system libraries is 2,000.
constexpr std::uint32_t kMaxLookups = 65536;
/// Most import descriptors looked at; the largest programs have some hundred.
constexpr std::uint32_t kMaxDescriptors = 4096;
/// Most entries of the debug directory looked at; linkers write fewer than ten.
constexpr std::uint32_t kMaxDebugEntries = 64;

class Collector {
  public:
    explicit Collector(const program::Program& program) : program_(program), image_(program.image()) {}

    std::vector<Metadata> collect() {
        directories();
        debug_data();
        import_names();
        guard_tables();
        tls_template();
        for (const pe::RuntimeFunction& entry : program_.runtime_functions())
            if (entry.packed == 0)
                add({entry.unwind_info, 4}, Kind::unwind_info, entry.unwind_info.value);
        for (const program::Function& function : program_.functions())
            for (const program::JumpTable& table : function.jump_tables)
                add(table.range(), Kind::jump_table, function.range.begin.value);
        return sorted();
    }

  private:
    void add(RvaRange range, Kind kind, std::uint32_t key) {
        if (range.size != 0 && range.end() <= image_.size_of_image())
            found_.push_back({range, kind, key});
    }

    void directories() {
        using pe::Directory;
        for (const Directory which : {Directory::exports, Directory::imports, Directory::resources,
                                      Directory::exceptions, Directory::relocations, Directory::debug, Directory::tls,
                                      Directory::load_config, Directory::iat, Directory::delay_imports, Directory::clr})
            add(image_.directory(which), Kind::directory, static_cast<std::uint32_t>(which));
    }

    void debug_data() {
        const RvaRange directory = image_.directory(pe::Directory::debug);
        const std::uint32_t count = std::min(directory.size / 28, kMaxDebugEntries);
        for (std::uint32_t i = 0; i < count; ++i) {
            const Rva entry = directory.begin + 28 * i;
            const auto size = image_.read<std::uint32_t>(entry + 16);
            const auto at = image_.read<std::uint32_t>(entry + 20);
            if (size && at && *at != 0)
                add({Rva{*at}, *size}, Kind::debug_data, i);
        }
    }

    void import_names() {
        const RvaRange directory = image_.directory(pe::Directory::imports);
        for (std::uint32_t i = 0; i < kMaxDescriptors && std::uint64_t{i} * 20 + 20 <= directory.size; ++i) {
            const Rva descriptor = directory.begin + 20 * i;
            const auto lookup = image_.read<std::uint32_t>(descriptor);
            const auto name = image_.read<std::uint32_t>(descriptor + 12);
            if (!lookup || !name || *name == 0)
                break;
            text(Rva{*name}, i);
            for (std::uint32_t entry = 0; *lookup != 0 && entry < kMaxLookups; ++entry) {
                const Rva field = Rva{*lookup} + 8 * entry;
                add({field, 8}, Kind::import_names, i);
                const auto value = image_.read<std::uint64_t>(field);
                if (!value || *value == 0)
                    break;
                // Hint (2 bytes) and name.
                if (*value >> 63 == 0) {
                    const Rva hint{static_cast<std::uint32_t>(*value)};
                    add({hint, 2}, Kind::import_names, i);
                    text(hint + 2, i);
                }
            }
        }
    }

    void text(Rva at, std::uint32_t key) {
        if (const auto name = image_.string_at(at, 16384))
            add({at, static_cast<std::uint32_t>(name->size() + 1)}, Kind::import_names, key);
    }

    void tls_template() {
        const RvaRange directory = image_.directory(pe::Directory::tls);
        const auto first = image_.read<std::uint64_t>(directory.begin);
        const auto last = image_.read<std::uint64_t>(directory.begin + 8);
        const std::uint64_t base = image_.image_base().value;
        if (directory.size != 0 && first && last && *first >= base && *last >= *first &&
            *last - base <= image_.size_of_image())
            add({Rva{static_cast<std::uint32_t>(*first - base)}, static_cast<std::uint32_t>(*last - *first)},
                Kind::tls_template, 0);
    }

    void guard_tables() {
        const RvaRange config = image_.directory(pe::Directory::load_config);
        const auto size = image_.read<std::uint32_t>(config.begin);
        if (config.size == 0 || !size)
            return;
        // Offsets in IMAGE_LOAD_CONFIG_DIRECTORY64 of the pointers to the function, address-taken IAT, long jump and
        // EH continuation tables; the count follows each. Entries: 4 bytes and those of GuardFlags bits 28-31.
        const std::uint32_t entry = 4 + (image_.read<std::uint32_t>(config.begin + 0x90).value_or(0) >> 28);
        for (const std::uint32_t offset : std::array<std::uint32_t, 4>{0x80, 0xa0, 0xb0, 0x108}) {
            if (offset + 16 > *size)
                break;
            const auto table = image_.read<std::uint64_t>(config.begin + offset);
            const auto count = image_.read<std::uint64_t>(config.begin + offset + 8);
            if (!table || !count || *table < image_.image_base().value || *count > image_.size_of_image())
                continue;
            const std::uint64_t at = *table - image_.image_base().value;
            if (at < image_.size_of_image() && *count * entry <= image_.size_of_image())
                add({Rva{static_cast<std::uint32_t>(at)}, static_cast<std::uint32_t>(*count * entry)},
                    Kind::guard_table, offset);
        }
    }

    /// Ascending; where two overlap the earlier one keeps its bytes, and of two that begin together the longer.
    std::vector<Metadata> sorted() {
        std::sort(found_.begin(), found_.end(), [](const Metadata& a, const Metadata& b) {
            if (a.range.begin != b.range.begin)
                return a.range.begin < b.range.begin;
            if (a.range.size != b.range.size)
                return a.range.size > b.range.size;
            return std::pair(a.kind, a.key) < std::pair(b.kind, b.key);
        });
        std::vector<Metadata> result;
        std::uint64_t end = 0;
        for (Metadata one : found_) {
            if (one.range.end() <= end)
                continue;
            if (one.range.begin.value < end)
                one.range = {Rva{static_cast<std::uint32_t>(end)}, static_cast<std::uint32_t>(one.range.end() - end)};
            end = one.range.end();
            result.push_back(one);
        }
        return result;
    }

    const program::Program& program_;
    const pe::Image& image_;
    std::vector<Metadata> found_;
};

} // namespace

std::vector<Metadata> metadata_of(const program::Program& program) {
    return Collector(program).collect();
}

} // namespace suture::match
