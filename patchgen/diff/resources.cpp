#include "patchgen/diff/resources.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::diff {

namespace {

/// Type, name and language.
constexpr int kLevels = 3;
/// Most entries of all directories together; the images with the most have some ten thousand.
constexpr std::uint32_t kMaxEntries = 1u << 20;
/// Most bytes of all resources together: an image has at most 2 GiB, but entries may share content.
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;
/// RT_VERSION and RT_MANIFEST.
constexpr std::uint32_t kVersion = 16;
constexpr std::uint32_t kManifest = 24;
/// Bit of an entry's first word: it is the offset of a name; of its second: of a directory.
constexpr std::uint32_t kHighBit = 0x80000000;

class Reader {
  public:
    explicit Reader(const pe::Image& image) : image_(image), tree_(image.directory(pe::Directory::resources)) {}

    std::map<ResourcePath, Resource> run() {
        if (tree_.size != 0)
            directory(0, 0, {});
        return std::move(found_);
    }

  private:
    /// IMAGE_RESOURCE_DIRECTORY: 16 bytes, the last four of which are the numbers of named and of numbered entries.
    void directory(std::uint32_t offset, int level, const ResourcePath& path) {
        const Rva at = tree_.begin + offset;
        const auto named = image_.read<std::uint16_t>(at + 12);
        const auto numbered = image_.read<std::uint16_t>(at + 14);
        if (!named || !numbered)
            return;
        const std::uint32_t count = std::uint32_t{*named} + *numbered;
        for (std::uint32_t i = 0; i < count && entries_ < kMaxEntries; ++i, ++entries_) {
            const auto id = image_.read<std::uint32_t>(at + 16 + 8 * i);
            const auto to = image_.read<std::uint32_t>(at + 20 + 8 * i);
            if (!id || !to)
                return;
            if (level == 0 && (*id == kVersion || *id == kManifest))
                continue;
            const ResourcePath below = path + (level == 0 ? "" : "/") + name(*id);
            if ((*to & kHighBit) == 0)
                content(*to, below);
            else if (level + 1 < kLevels)
                directory(*to & ~kHighBit, level + 1, below);
        }
    }

    /// A number, or a text: its length in UTF-16 units, and those.
    std::string name(std::uint32_t id) const {
        if ((id & kHighBit) == 0)
            return fmt::format("#{}", id);
        const Rva at = tree_.begin + (id & ~kHighBit);
        const auto length = image_.read<std::uint16_t>(at);
        std::string text;
        for (std::uint32_t i = 0; i < length.value_or(0); ++i) {
            const auto unit = image_.read<std::uint16_t>(at + 2 + 2 * i).value_or(0);
            text +=
                unit >= 0x20 && unit < 0x7f ? std::string(1, static_cast<char>(unit)) : fmt::format("\\u{:04x}", unit);
        }
        return text;
    }

    /// IMAGE_RESOURCE_DATA_ENTRY: RVA, size, code page.
    void content(std::uint32_t offset, const ResourcePath& path) {
        const auto at = image_.read<std::uint32_t>(tree_.begin + offset);
        const auto size = image_.read<std::uint32_t>(tree_.begin + offset + 4);
        if (!at || !size || bytes_ + *size > kMaxBytes)
            return;
        if (const auto bytes = image_.bytes_at(Rva{*at}, *size)) {
            bytes_ += *size;
            found_.insert_or_assign(path, Resource{Rva{*at}, bytes->copy()});
        }
    }

    const pe::Image& image_;
    RvaRange tree_;
    std::map<ResourcePath, Resource> found_;
    std::uint32_t entries_ = 0;
    std::uint64_t bytes_ = 0;
};

} // namespace

std::map<ResourcePath, Resource> resources_of(const pe::Image& image) {
    return Reader(image).run();
}

} // namespace suture::diff
