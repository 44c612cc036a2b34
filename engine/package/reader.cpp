#include "engine/package/reader.hpp"

#include "engine/package/assemble.hpp"
#include "engine/package/hotp_section.hpp"
#include "engine/package/limits.hpp"
#include "engine/package/plain_text.hpp"
#include "engine/pe/checksum.hpp"
#include "engine/pe/raw/headers.hpp"
#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::package {

namespace {

constexpr std::uint64_t kCertificatesEntrySize = 8;
constexpr std::uint64_t kCertificateAlignment = 8;

std::unexpected<Error> malformed(std::string detail) {
    return fail(Code::package_malformed, std::move(detail));
}

std::unexpected<Error> damaged(std::string detail) {
    return fail(Code::package_damaged, std::move(detail));
}

/// The content of `.hotp`, once its first bytes say that it is one of this version.
Result<ByteView> find_hotp(const pe::Image& image) {
    const auto none = [](std::string detail) { return fail(Code::package_not_a_hotpatch, std::move(detail)); };
    if (image.sections().empty() || image.sections().back().name != ".hotp")
        return none("the last section is not .hotp");
    const pe::Section& section = image.sections().back();
    const auto hotp = image.bytes_at(section.range.begin, section.range.size);
    const auto header = hotp ? hotp->read<HotpHeader>(0) : std::nullopt;
    if (!header || header->magic != kHotpMagic)
        return none("the .hotp section does not begin with its signature");
    if (header->format_version != kFormatVersion)
        return fail(Code::package_version_unsupported,
                    fmt::format("version {}, this is for version {}", header->format_version, kFormatVersion));
    return *hotp;
}

/// What the digest covers: headers and sections, one behind the other. A certificate table lies behind it and goes up
/// to the end of the file.
Result<ByteView> covered_part(const pe::Image& image) {
    const ByteView file = image.bytes();
    std::uint64_t end = image.size_of_headers();
    for (const pe::Section& section : image.sections()) {
        if (section.raw_size != 0 && section.raw.value != end)
            return damaged(fmt::format("a section's bytes lie at {} instead of {}", section.raw.value, end));
        end += section.raw_size;
    }
    // Read here, since an entry of address 0 counts as absent elsewhere whatever its size.
    const auto entry = file.read<pe::raw::DataDirectory>(image.directory_offset(pe::Directory::certificates).value);
    const auto covered = file.slice(0, end);
    if (!entry || !covered)
        return damaged("the image ends behind the file");
    if (entry->virtual_address == 0 && entry->size == 0) {
        if (end != file.size())
            return damaged(fmt::format("the image ends at byte {} and the file at {}", end, file.size()));
    } else if (entry->virtual_address != end || end + entry->size != file.size() || entry->size == 0 ||
               entry->size % kCertificateAlignment != 0 || end % kCertificateAlignment != 0) {
        return damaged(
            fmt::format("a certificate table of {} bytes at {}, where the image ends at {} and the file at {}",
                        entry->size, entry->virtual_address, end, file.size()));
    }
    return *covered;
}

Result<void> check_digest(const pe::Image& image, ByteView covered, const DigestHoles& holes) {
    if (!pe::checksum_holds(image))
        return damaged(fmt::format("CheckSum is 0x{:x}, the file's is 0x{:x}", image.checksum(),
                                   pe::checksum_of(image.bytes(), image.checksum_offset())));
    const auto stored = covered.read<Digest>(holes.digest.value);
    const bool ordered = holes.checksum.value + 4 <= holes.certificates_entry.value &&
                         holes.certificates_entry.value + kCertificatesEntrySize <= holes.digest.value;
    if (!stored || !ordered)
        return damaged("the digest lies before the end of the headers");
    const Digest computed = file_digest(covered, holes);
    if (*stored != computed)
        return damaged(fmt::format("the digest is {}, that of the file is {}", stored->hex(), computed.hex()));
    return {};
}

/// The table that holds exactly these imports.
Result<std::optional<ImportTable>> import_table_of(const pe::Image& image, const std::vector<pe::ImportSlot>& slots) {
    const RvaRange directory = image.directory(pe::Directory::imports);
    if (slots.empty() && directory.size == 0)
        return std::nullopt;
    std::vector<ImportRequest> requests;
    for (const pe::ImportSlot& slot : slots) {
        if (!is_plain_text(slot.dll) || !is_plain_text(slot.name))
            return malformed("the name of an import is not UTF-8 without control characters");
        requests.push_back({slot.dll, slot.name, slot.ordinal});
    }
    ImportTable table = build_import_table(std::move(requests), directory.begin);
    if (!std::ranges::equal(table.slots, slots, {}, {}, &pe::ImportSlot::slot))
        return malformed("the imports are not laid out as the format says");
    return table;
}

/// Everything that assemble() needs to make the same file.
Result<Contents> contents_of(const pe::Image& image, ByteView hotp, const std::vector<pe::Relocation>& relocations,
                             const std::vector<pe::ImportSlot>& imports,
                             const std::vector<pe::RuntimeFunction>& functions) {
    Contents contents;
    SUTURE_TRY(contents.manifest, decode_hotp(hotp, image.machine()));
    for (const pe::Section& section : image.sections()) {
        if (section.name == ".pdata" || section.name == ".reloc" || section.name == ".hotp")
            break;
        const auto bytes = image.bytes_from(section.range.begin);
        contents.sections.push_back(
            {section.name, section.range.begin, bytes ? bytes->copy() : Bytes(), section.range.size});
    }
    for (const pe::Relocation& relocation : relocations) {
        if (relocation.size != sizeof(std::uint64_t))
            return malformed("a relocation of a field that is not 8 bytes wide");
        contents.relocations.push_back(relocation.at);
    }
    for (const pe::RuntimeFunction& function : functions) {
        if (image.machine() == Machine::arm64)
            SUTURE_CHECK(pe::unwind_info_arm64_of(image, function));
        else
            SUTURE_CHECK(pe::unwind_info_at(image, function.unwind_info));
    }
    contents.runtime_functions = functions;
    SUTURE_TRY(contents.imports, import_table_of(image, imports));
    return contents;
}

/// One file says one thing in one way: every byte that the digest covers is as the writer puts it.
Result<void> check_form(ByteView covered, Bytes expected, const DigestHoles& holes) {
    for (const auto& [hole, size] :
         {std::pair(holes.checksum, std::uint64_t{4}), std::pair(holes.certificates_entry, kCertificatesEntrySize)}) {
        if (const auto found = covered.slice(hole.value, size); found && ByteView(expected).contains(hole.value, size))
            std::ranges::copy(*found, expected.begin() + static_cast<std::ptrdiff_t>(hole.value));
    }
    const auto difference = std::ranges::mismatch(covered, expected);
    if (difference.in1 != covered.end() || difference.in2 != expected.end())
        return malformed(
            fmt::format("byte {} of the file is not what its tables imply", difference.in1 - covered.begin()));
    return {};
}

} // namespace

Result<Package> Package::parse(ByteView file) {
    if (file.size() > kMaxFileSize)
        return malformed(fmt::format("{} bytes, at most {} are taken", file.size(), kMaxFileSize));
    SUTURE_TRY(pe::Image parsed, pe::Image::parse(file, pe::Layout::file));
    Package package(std::move(parsed));
    const pe::Image& image = package.image_;
    SUTURE_TRY(const ByteView hotp, find_hotp(image));
    SUTURE_TRY(const ByteView covered, covered_part(image));
    const DigestHoles holes{image.checksum_offset(), image.directory_offset(pe::Directory::certificates),
                            image.sections().back().raw + kDigestAt};
    SUTURE_CHECK(check_digest(image, covered, holes));

    SUTURE_TRY(package.relocations_, pe::relocations_of(image));
    SUTURE_TRY(package.imports_, pe::imports_of(image));
    SUTURE_TRY(package.runtime_functions_, pe::runtime_functions_of(image));
    SUTURE_TRY(Contents contents,
               contents_of(image, hotp, package.relocations_, package.imports_, package.runtime_functions_));
    SUTURE_TRY(Bytes expected, assemble(contents));
    SUTURE_CHECK(check_form(covered, std::move(expected), holes));

    package.digest_ = file_digest(covered, holes);
    package.manifest_ = std::move(contents.manifest);
    if (covered.size() != file.size()) {
        package.certificates_ = {covered.size()};
        package.certificates_size_ = static_cast<std::uint32_t>(file.size() - covered.size());
    }
    return package;
}

} // namespace suture::package
