#include "engine/pe/image.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/raw/headers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>

namespace suture::pe {

namespace {

constexpr std::uint32_t kPage = 0x1000;
constexpr std::uint32_t kDiskSector = 0x200;

std::unexpected<Error> bad(std::string detail) {
    return fail(Code::pe_bad_header, std::move(detail));
}

/// Machines that are like a supported one, and whose images are not.
std::string_view known_as(std::uint16_t machine) {
    return machine == 0xa641 ? ", Arm64EC" : machine == 0xa64e ? ", Arm64X" : "";
}

/// A name of the form "/123" is an offset into the string table behind the COFF symbols, which only files have.
std::optional<std::string_view> long_name(ByteView file, const raw::FileHeader& header, std::string_view short_name) {
    if (short_name.size() < 2 || short_name.front() != '/' || header.pointer_to_symbol_table == 0)
        return std::nullopt;
    std::uint32_t offset = 0;
    const char* const end = short_name.data() + short_name.size();
    if (const auto parsed = std::from_chars(short_name.data() + 1, end, offset); parsed.ptr != end)
        return std::nullopt;
    const std::uint64_t strings =
        std::uint64_t{header.pointer_to_symbol_table} + std::uint64_t{header.number_of_symbols} * raw::kCoffSymbolSize;
    return file.c_string(strings + offset, kMaxSectionName + 1);
}

Section section_of(const raw::SectionHeader& header) {
    Section section;
    const auto name_end = std::ranges::find(header.name, '\0');
    section.name.assign(header.name.begin(), name_end);
    section.range.begin = {header.virtual_address};
    section.range.size = header.virtual_size != 0 ? header.virtual_size : header.size_of_raw_data;
    section.raw = {header.pointer_to_raw_data};
    section.raw_size = header.size_of_raw_data;
    section.characteristics = header.characteristics;
    return section;
}

} // namespace

Result<Image> Image::parse(ByteView bytes, Layout layout) {
    const auto dos = bytes.read<raw::DosHeader>(0);
    if (!dos)
        return fail(Code::pe_truncated, fmt::format("{} bytes hold no DOS header", bytes.size()));
    if (dos->magic != raw::kDosSignature)
        return bad("no MZ signature");
    std::uint64_t at = dos->lfanew;
    const auto signature = bytes.read<std::uint32_t>(at);
    const auto file_header = bytes.read<raw::FileHeader>(at + sizeof(std::uint32_t));
    if (!signature || !file_header)
        return fail(Code::pe_truncated, fmt::format("no PE header at 0x{:x}", at));
    if (*signature != raw::kPeSignature)
        return bad(fmt::format("no PE signature at 0x{:x}", at));
    if (file_header->machine != static_cast<std::uint16_t>(Machine::x64) &&
        file_header->machine != static_cast<std::uint16_t>(Machine::arm64))
        return fail(Code::pe_machine_unsupported,
                    fmt::format("machine 0x{:04x}{}", file_header->machine, known_as(file_header->machine)));
    if (file_header->number_of_sections > kMaxSections)
        return bad(fmt::format("{} sections, at most {} are taken", file_header->number_of_sections, kMaxSections));

    at += sizeof(std::uint32_t) + sizeof(raw::FileHeader);
    const std::uint64_t optional_at = at;
    if (file_header->size_of_optional_header < sizeof(raw::OptionalHeader64))
        return bad(fmt::format("optional header of {} bytes is none of PE32+", file_header->size_of_optional_header));
    const auto optional = bytes.read<raw::OptionalHeader64>(at);
    if (!optional)
        return fail(Code::pe_truncated, "the optional header is cut off");
    if (optional->magic != raw::kPe32PlusMagic)
        return bad(fmt::format("optional header magic 0x{:x} is not that of PE32+", optional->magic));
    const std::uint32_t directories = optional->number_of_rva_and_sizes;
    if (directories > kMaxDirectories ||
        sizeof(raw::OptionalHeader64) + directories * sizeof(raw::DataDirectory) > file_header->size_of_optional_header)
        return bad(fmt::format("{} data directories do not fit the optional header", directories));
    if (optional->size_of_image == 0 || optional->size_of_image > kMaxImageSize)
        return bad(fmt::format("SizeOfImage 0x{:x}", optional->size_of_image));
    if (!std::has_single_bit(optional->section_alignment))
        return bad(fmt::format("SectionAlignment 0x{:x} is no power of two", optional->section_alignment));
    if (optional->size_of_headers > optional->size_of_image)
        return bad(fmt::format("SizeOfHeaders 0x{:x} exceeds SizeOfImage", optional->size_of_headers));
    if (optional->address_of_entry_point >= optional->size_of_image)
        return bad(fmt::format("entry point 0x{:x} is outside the image", optional->address_of_entry_point));

    Image image;
    image.layout_ = layout;
    if (layout == Layout::mapped) {
        const auto mapping = bytes.slice(0, optional->size_of_image);
        if (!mapping)
            return fail(Code::pe_truncated, fmt::format("0x{:x} bytes are mapped, SizeOfImage is 0x{:x}", bytes.size(),
                                                        optional->size_of_image));
        bytes = *mapping;
    }
    if (optional->size_of_headers > bytes.size())
        return fail(Code::pe_truncated,
                    fmt::format("SizeOfHeaders 0x{:x} exceeds the file", optional->size_of_headers));
    const std::uint64_t sections_at = optional_at + file_header->size_of_optional_header;
    if (sections_at + file_header->number_of_sections * sizeof(raw::SectionHeader) > optional->size_of_headers)
        return bad("the section table does not fit the headers");

    image.bytes_ = bytes;
    image.machine_ = static_cast<Machine>(file_header->machine);
    image.time_date_stamp_ = file_header->time_date_stamp;
    image.checksum_ = optional->checksum;
    image.checksum_offset_ = {optional_at + offsetof(raw::OptionalHeader64, checksum)};
    image.size_of_image_ = optional->size_of_image;
    image.size_of_headers_ = optional->size_of_headers;
    image.image_base_ = {optional->image_base};
    image.entry_point_ = {optional->address_of_entry_point};
    image.characteristics_ = file_header->characteristics;
    image.dll_characteristics_ = optional->dll_characteristics;
    image.subsystem_ = optional->subsystem;
    image.section_alignment_ = optional->section_alignment;
    image.coff_symbols_ = {file_header->pointer_to_symbol_table};
    image.coff_symbol_count_ = file_header->pointer_to_symbol_table != 0 ? file_header->number_of_symbols : 0;
    image.directories_offset_ = {optional_at + sizeof(raw::OptionalHeader64)};
    for (std::uint32_t i = 0; i < directories; ++i) {
        const auto entry =
            bytes.read<raw::DataDirectory>(image.directories_offset_.value + i * sizeof(raw::DataDirectory));
        if (entry && entry->virtual_address != 0)
            image.directories_[i] = {{entry->virtual_address}, entry->size};
    }

    std::uint64_t previous_end = optional->size_of_headers;
    for (std::uint64_t i = 0; i < file_header->number_of_sections; ++i) {
        const auto header = bytes.read<raw::SectionHeader>(sections_at + i * sizeof(raw::SectionHeader));
        if (!header)
            return fail(Code::pe_truncated, "the section table is cut off");
        Section section = section_of(*header);
        if (section.range.begin.value % optional->section_alignment != 0)
            return bad(fmt::format("section {} is not aligned", i + 1));
        if (section.range.begin.value < previous_end)
            return bad(fmt::format("section {} overlaps what lies before it", i + 1));
        if (section.range.end() > optional->size_of_image)
            return bad(fmt::format("section {} ends behind SizeOfImage", i + 1));
        previous_end = section.range.end();
        if (layout == Layout::file && section.raw.value != 0) {
            // Loaders round the pointer down to a disk sector; what they map would not be what was read here.
            if (section.raw.value % kDiskSector != 0 && optional->section_alignment >= kPage && section.raw_size != 0)
                return bad(fmt::format("raw data of section {} is not aligned", i + 1));
            if (!bytes.contains(section.raw.value, section.raw_size))
                return fail(Code::pe_truncated, fmt::format("raw data of section {} exceeds the file", i + 1));
        }
        if (layout == Layout::file) {
            if (const auto name = long_name(bytes, *file_header, section.name))
                section.name = *name;
        }
        image.sections_.push_back(std::move(section));
    }
    return image;
}

const Section* Image::section_at(Rva rva) const {
    const auto after = std::ranges::upper_bound(sections_, rva, {}, [](const Section& s) { return s.range.begin; });
    // Empty sections may begin where the next one does.
    for (auto it = after; it != sections_.begin();) {
        --it;
        if (it->range.contains(rva))
            return &*it;
        if (it->range.size != 0)
            break;
    }
    return nullptr;
}

const Section* Image::section_named(std::string_view name) const {
    const auto it = std::ranges::find(sections_, name, &Section::name);
    return it != sections_.end() ? &*it : nullptr;
}

bool Image::in_one_section(RvaRange range) const {
    const Section* section = section_at(range.begin);
    return section && section->range.contains(range);
}

RvaRange Image::directory(Directory which) const {
    return directories_[static_cast<std::size_t>(which)];
}

FileOffset Image::directory_offset(Directory which) const {
    return directories_offset_ + static_cast<std::uint64_t>(which) * sizeof(raw::DataDirectory);
}

std::optional<ByteView> Image::bytes_from(Rva rva) const {
    if (rva.value < size_of_headers_)
        return bytes_.slice(rva.value, size_of_headers_ - rva.value);
    const Section* section = section_at(rva);
    if (!section)
        return std::nullopt;
    const std::uint32_t into = rva - section->range.begin;
    if (layout_ == Layout::mapped)
        return bytes_.slice(rva.value, section->range.size - into);
    if (into >= section->initialised_size())
        return std::nullopt;
    return bytes_.slice(section->raw.value + into, section->initialised_size() - into);
}

std::optional<ByteView> Image::bytes_at(Rva rva, std::uint64_t size) const {
    const auto rest = bytes_from(rva);
    return rest ? rest->slice(0, size) : std::nullopt;
}

bool Image::is_zero_fill(Rva rva) const {
    const Section* section = section_at(rva);
    return section && rva - section->range.begin >= section->initialised_size();
}

std::optional<Bytes> Image::content(RvaRange range) const {
    std::uint64_t covered = range.begin.value;
    for (const Section& section : sections_) {
        if (section.range.begin.value <= covered && covered < section.range.end())
            covered = section.range.end();
    }
    if (covered < range.end())
        return std::nullopt;
    Bytes copy(range.size);
    for (const Section& section : sections_) {
        if (!section.range.overlaps(range))
            continue;
        const Rva from = std::max(section.range.begin, range.begin);
        const auto held = bytes_from(from);
        if (!held)
            continue;
        const std::size_t into = from - range.begin;
        const std::size_t count = std::min(held->size(), copy.size() - into);
        std::copy_n(held->begin(), count, copy.begin() + static_cast<std::ptrdiff_t>(into));
    }
    return copy;
}

std::optional<std::string_view> Image::string_at(Rva rva, std::size_t limit) const {
    const auto rest = bytes_from(rva);
    return rest ? rest->c_string(0, limit) : std::nullopt;
}

std::optional<FileOffset> Image::file_offset(Rva rva) const {
    if (layout_ != Layout::file)
        return std::nullopt;
    const auto rest = bytes_from(rva);
    if (!rest)
        return std::nullopt;
    return FileOffset{static_cast<std::uint64_t>(rest->data() - bytes_.data())};
}

} // namespace suture::pe
