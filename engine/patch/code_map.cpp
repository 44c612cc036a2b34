#include "engine/patch/code_map.hpp"

#include "engine/pe/exports.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace suture::patch {

namespace {

constexpr std::uint64_t kPage = 4096;
/// Read at once where possible: unwind data of neighbouring functions lies together.
constexpr std::uint64_t kPagesPerRead = 16;
constexpr std::size_t kMaxCachedInfos = 65536;
/// Of unwind data, epilogues included, of which a hostile image could have a lot.
constexpr std::size_t kMaxCachedInfoBytes = 64u << 20;
/// Of .xdata records that lengths of functions are read from, in pages.
constexpr std::size_t kMaxLengthPages = (64u << 20) / kPage;

constexpr std::array<std::pair<std::string_view, EntryRole>, 5> kRoles{{
    {"RtlUserThreadStart", EntryRole::thread_start},
    {"LdrInitializeThunk", EntryRole::thread_start},
    {"KiUserExceptionDispatcher", EntryRole::dispatcher},
    {"KiUserApcDispatcher", EntryRole::dispatcher},
    {"KiUserCallbackDispatcher", EntryRole::dispatcher},
}};

bool is_ntdll(std::string_view name) {
    constexpr std::string_view kNtdll = "ntdll.dll";
    return std::ranges::equal(name, kNtdll, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

} // namespace

void CodeImage::Free::operator()(std::uint8_t* bytes) const {
    std::free(bytes);
}

CodeImage::CodeImage(target::Target& target, std::string name, VaRange range)
    : target_(&target), name_(std::move(name)), range_(range) {
    load();
}

CodeImage::~CodeImage() = default;

void CodeImage::load() {
    if (range_.size < kPage || range_.size > kMaxImageSize || range_.size % kPage != 0)
        return;
    // calloc, as the zero pages of a large block cost nothing until they are filled.
    content_.reset(static_cast<std::uint8_t*>(std::calloc(range_.size, 1)));
    if (!content_)
        return;
    present_.assign(range_.size / kPage, false);
    const ByteView bytes(content_.get(), range_.size);
    if (!fetch(0, kPage))
        return;
    // Headers of more than a page are rare: SizeOfHeaders (Microsoft PE Format, "Optional Header") says so.
    const auto pe_offset = bytes.read<std::uint32_t>(0x3c);
    const auto header_size = pe_offset ? bytes.read<std::uint32_t>(std::uint64_t{*pe_offset} + 24 + 60) : std::nullopt;
    constexpr std::uint32_t kMaxHeaders = 64 * 1024;
    if (!header_size || *header_size > kMaxHeaders || !fetch(0, std::max<std::uint32_t>(*header_size, 1)))
        return;

    auto image = pe::Image::parse(bytes, pe::Layout::mapped);
    if (!image || image->machine() != target_->machine())
        return;
    const RvaRange unwind = image->directory(pe::Directory::exceptions);
    // Five million functions: a hostile target must not make each of its modules cost its whole size.
    constexpr std::uint32_t kMaxExceptionDirectory = 64u << 20;
    if (unwind.size > kMaxExceptionDirectory)
        return;
    if (unwind.size != 0 && !fetch(unwind.begin.value, unwind.size))
        return;
    if (!fetch_lengths(*image))
        return;
    auto functions = pe::runtime_functions_of(*image);
    if (!functions)
        return;
    headers_ = ByteView(content_.get(), kPage).copy();
    functions_ = std::move(*functions);
    image_ = std::move(*image);
    if (is_ntdll(name_))
        load_roles();
}

bool CodeImage::fetch_lengths(const pe::Image& image) {
    std::size_t pages = 0;
    for (const Rva at : pe::length_words_of(image)) {
        if (at.value < range_.size && present_[at.value / kPage])
            continue;
        if (++pages > kMaxLengthPages || !fetch(at.value, 4))
            return false;
    }
    return true;
}

void CodeImage::load_roles() {
    const RvaRange directory = image_->directory(pe::Directory::exports);
    if (directory.size == 0 || !fetch(directory.begin.value, directory.size))
        return;
    const auto exports = pe::exports_of(*image_);
    if (!exports)
        return;
    for (const pe::Export& entry : *exports)
        for (const auto& [name, role] : kRoles)
            if (entry.name == name)
                roles_.emplace(entry.rva, role);
}

bool CodeImage::read_pages(std::uint64_t first, std::uint64_t count) {
    if (!target_->read(range_.begin + first * kPage, {content_.get() + first * kPage, count * kPage}))
        return false;
    std::fill_n(present_.begin() + static_cast<std::ptrdiff_t>(first), count, true);
    return true;
}

bool CodeImage::fetch(std::uint64_t offset, std::uint64_t size) {
    if (!content_ || size == 0 || !ByteView(content_.get(), range_.size).contains(offset, size))
        return false;
    const std::uint64_t last = (offset + size - 1) / kPage;
    for (std::uint64_t page = offset / kPage; page <= last; ++page) {
        if (present_[page])
            continue;
        // A larger read may meet a gap between sections; then what is needed is read alone.
        const std::uint64_t ahead = std::min(std::max(kPagesPerRead, last - page + 1), present_.size() - page);
        if (!read_pages(page, ahead) && !read_pages(page, 1))
            return false;
    }
    return true;
}

bool CodeImage::is_current() {
    std::array<std::uint8_t, kPage> now;
    return readable() && target_->read(range_.begin, now) && ByteView(now) == ByteView(headers_);
}

bool CodeImage::is_code(Va at) const {
    if (!readable() || !range_.contains(at))
        return false;
    const pe::Section* section = image_->section_at(rva_of(at));
    return section && section->executable();
}

std::optional<ByteView> CodeImage::bytes_at(Va at, std::uint64_t size) {
    if (!range_.contains(at) || !fetch(at - range_.begin, size))
        return std::nullopt;
    return ByteView(content_.get() + (at - range_.begin), size);
}

ByteView CodeImage::bytes_up_to(Va at, std::uint64_t size) {
    const pe::Section* section = readable() && range_.contains(at) ? image_->section_at(rva_of(at)) : nullptr;
    if (!section)
        return {};
    const std::uint64_t room = section->range.end() - rva_of(at).value;
    return bytes_at(at, std::min(size, room)).value_or(ByteView{});
}

const pe::RuntimeFunction* CodeImage::function_at(Rva rva) const {
    return pe::runtime_function_at(functions_, rva);
}

const pe::UnwindInfo* CodeImage::unwind_info_at(Rva rva) {
    if (const auto known = infos_.find(rva); known != infos_.end())
        return known->second.get();
    // 4 bytes, 256 slots of 2, a chained entry or a handler, and padding.
    constexpr std::uint64_t kMaxUnwindInfo = 4 + 512 + 12 + 4;
    const std::uint64_t room = rva.value < range_.size ? range_.size - rva.value : 0;
    if (!readable() || infos_.size() >= kMaxCachedInfos || !fetch(rva.value, std::min(room, kMaxUnwindInfo)))
        return nullptr;
    auto info = pe::unwind_info_at(*image_, rva);
    auto kept = info ? std::make_unique<pe::UnwindInfo>(std::move(*info)) : nullptr;
    return infos_.emplace(rva, std::move(kept)).first->second.get();
}

const pe::UnwindInfoArm64* CodeImage::unwind_info_of(const pe::RuntimeFunction& function) {
    if (const auto known = infos_arm64_.find(function.range.begin); known != infos_arm64_.end())
        return known->second.get();
    if (!readable() || infos_arm64_.size() >= kMaxCachedInfos || info_bytes_ > kMaxCachedInfoBytes)
        return nullptr;
    const std::uint32_t at = function.unwind_info.value;
    constexpr std::uint64_t kHeader = 8;
    if (function.packed == 0) {
        const std::uint64_t room = at < range_.size ? range_.size - at : 0;
        const auto start = bytes_at(range_.begin + at, std::min(room, kHeader));
        const auto size = start ? pe::unwind_record_size_arm64(*start) : std::nullopt;
        if (!size || !fetch(at, *size))
            return nullptr;
    }
    auto info = pe::unwind_info_arm64_of(*image_, function);
    auto kept = info ? std::make_unique<pe::UnwindInfoArm64>(std::move(*info)) : nullptr;
    if (kept)
        info_bytes_ += kept->codes.size() + kept->epilogs.size() * sizeof(pe::EpilogArm64);
    return infos_arm64_.emplace(function.range.begin, std::move(kept)).first->second.get();
}

EntryRole CodeImage::role_of(Rva begin) const {
    const auto found = roles_.find(begin);
    return found == roles_.end() ? EntryRole::ordinary : found->second;
}

Result<void> CodeMap::refresh() {
    SUTURE_TRY(auto modules, target_->modules());
    if (modules.size() > kMaxImages)
        modules.resize(kMaxImages);
    std::vector<std::unique_ptr<CodeImage>> images;
    images.reserve(modules.size());
    for (target::Module& module : modules) {
        const auto same = [&](const auto& image) {
            return image && image->range() == module.range && image->name() == module.name;
        };
        const auto known = std::ranges::find_if(modules_, same);
        if (known != modules_.end() && (*known)->is_current())
            images.push_back(std::move(*known));
        else
            images.push_back(std::make_unique<CodeImage>(*target_, std::move(module.name), module.range));
    }
    std::ranges::sort(images, {}, [](const auto& image) { return image->range(); });
    modules_ = std::move(images);
    return {};
}

void CodeMap::add_image(std::string name, VaRange range) {
    added_.push_back(std::make_unique<CodeImage>(*target_, std::move(name), range));
}

void CodeMap::add_leaf(std::string name, VaRange range) {
    leaves_.push_back({std::move(name), range});
}

CodeImage* CodeMap::image_at(Va at) {
    for (const auto& image : added_)
        if (image->range().contains(at))
            return image.get();
    const auto behind =
        std::ranges::upper_bound(modules_, at, {}, [](const auto& image) { return image->range().begin; });
    if (behind == modules_.begin() || !(*std::prev(behind))->range().contains(at))
        return nullptr;
    return std::prev(behind)->get();
}

bool CodeMap::is_leaf(Va at) const {
    return std::ranges::any_of(leaves_, [&](const Leaf& leaf) { return leaf.range.contains(at); });
}

std::string CodeMap::describe(Va at) {
    if (const CodeImage* image = image_at(at))
        return fmt::format("{}+0x{:x}", image->name(), at - image->range().begin);
    for (const Leaf& leaf : leaves_)
        if (leaf.range.contains(at))
            return fmt::format("{}+0x{:x}", leaf.name, at - leaf.range.begin);
    return fmt::format("0x{:x}", at.value);
}

} // namespace suture::patch
