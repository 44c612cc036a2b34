#include "engine/package/assemble.hpp"

#include "engine/package/byte_writer.hpp"
#include "engine/package/hotp_section.hpp"
#include "engine/package/limits.hpp"
#include "engine/package/rules.hpp"
#include "engine/pe/checksum.hpp"
#include "engine/pe/raw/directories.hpp"
#include "engine/pe/raw/headers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::package {

namespace {

namespace raw = pe::raw;

constexpr std::uint32_t kFileAlignment = 0x200;
constexpr std::uint64_t kHeadersAt = sizeof(raw::DosHeader) + sizeof(std::uint32_t);
constexpr std::uint64_t kOptionalAt = kHeadersAt + sizeof(raw::FileHeader);
constexpr std::uint64_t kDirectoriesAt = kOptionalAt + sizeof(raw::OptionalHeader64);
constexpr std::size_t kDirectories = 16;
constexpr std::uint64_t kSectionsAt = kDirectoriesAt + kDirectories * sizeof(raw::DataDirectory);
constexpr std::uint64_t kTimeDateStampAt = kHeadersAt + offsetof(raw::FileHeader, time_date_stamp);
constexpr std::uint64_t kCheckSumAt = kOptionalAt + offsetof(raw::OptionalHeader64, checksum);
constexpr std::uint64_t kCertificatesEntryAt =
    kDirectoriesAt + static_cast<std::size_t>(pe::Directory::certificates) * sizeof(raw::DataDirectory);

std::uint32_t align(std::uint32_t value, std::uint32_t alignment) {
    return (value + alignment - 1) / alignment * alignment;
}

/// Blocks of one page each, entries ascending, filled up to 4 bytes with an entry of type 0.
Bytes encode_relocations(std::vector<Rva> relocations) {
    constexpr std::uint16_t kDir64 = 10 << 12;
    std::ranges::sort(relocations);
    ByteWriter out;
    for (auto first = relocations.begin(); first != relocations.end();) {
        const std::uint32_t page = first->value / kPageSize;
        const auto last = std::find_if(first, relocations.end(), [&](Rva at) { return at.value / kPageSize != page; });
        const auto count = static_cast<std::uint32_t>(last - first);
        out.put(raw::RelocationBlock{page * kPageSize,
                                     static_cast<std::uint32_t>(sizeof(raw::RelocationBlock)) + align(count, 2) * 2});
        for (; first != last; ++first)
            out.put(static_cast<std::uint16_t>(kDir64 | (first->value % kPageSize)));
        out.align(4);
    }
    return out.take();
}

Bytes encode_runtime_functions(std::vector<pe::RuntimeFunction> functions, Machine machine) {
    std::ranges::sort(functions);
    ByteWriter out;
    for (const pe::RuntimeFunction& function : functions) {
        const std::uint32_t begin = function.range.begin.value;
        const std::uint32_t unwind_info = function.unwind_info.value;
        if (machine == Machine::arm64)
            out.put(raw::RuntimeFunctionArm64{begin, function.packed != 0 ? function.packed : unwind_info});
        else
            out.put(raw::RuntimeFunctionX64{begin, static_cast<std::uint32_t>(function.range.end()), unwind_info});
    }
    return out.take();
}

class Assembler {
  public:
    explicit Assembler(const Contents& contents) : contents_(contents), sections_(contents.sections) {}

    Result<Bytes> run() {
        place_tables();
        const auto headers = static_cast<std::uint32_t>(kSectionsAt + sections_.size() * sizeof(raw::SectionHeader));
        header_size_ = align(headers, kFileAlignment);
        std::uint64_t file_size = header_size_;
        for (const SectionContent& section : sections_)
            file_size += align(static_cast<std::uint32_t>(section.bytes.size()), kFileAlignment);
        if (file_size > kMaxFileSize || next_rva_ > kMaxImageSize)
            return fail(Code::package_malformed,
                        fmt::format("a file of {} bytes and an image of {}, at most {} and {} are taken", file_size,
                                    next_rva_, kMaxFileSize, kMaxImageSize));
        put_headers();
        for (const SectionContent& section : sections_) {
            out_.put_bytes(section.bytes);
            out_.align(kFileAlignment);
        }
        return finish();
    }

  private:
    void place_tables() {
        next_rva_ = kFirstSection.value;
        for (const SectionContent& section : sections_)
            next_rva_ += align(section.virtual_size, kPageSize);
        place(pe::Directory::exceptions, ".pdata",
              encode_runtime_functions(contents_.runtime_functions, contents_.manifest.machine));
        place(pe::Directory::relocations, ".reloc", encode_relocations(contents_.relocations));
        add(".hotp", encode_hotp(contents_.manifest, {next_rva_}));
        const Rva hotp = sections_.back().rva;
        set(pe::Directory::load_config, {hotp + kLoadConfigAt, sizeof(raw::LoadConfigDirectory64)});
        if (contents_.imports) {
            set(pe::Directory::imports, contents_.imports->directory);
            set(pe::Directory::iat, contents_.imports->address_table);
        }
    }

    void add(std::string name, Bytes bytes) {
        const auto size = static_cast<std::uint32_t>(bytes.size());
        sections_.push_back({std::move(name), {next_rva_}, std::move(bytes), size});
        next_rva_ += align(size, kPageSize);
    }

    /// A section that is one directory, where it holds something.
    void place(pe::Directory which, std::string name, Bytes bytes) {
        if (bytes.empty())
            return;
        add(std::move(name), std::move(bytes));
        set(which, {sections_.back().rva, sections_.back().virtual_size});
    }

    void set(pe::Directory which, RvaRange range) {
        directories_[static_cast<std::size_t>(which)] = {range.begin.value, range.size};
    }

    void put_headers() {
        raw::DosHeader dos{};
        dos.magic = raw::kDosSignature;
        dos.lfanew = sizeof(raw::DosHeader);
        out_.put(dos);
        out_.put(raw::kPeSignature);

        raw::FileHeader file{};
        file.machine = static_cast<std::uint16_t>(contents_.manifest.machine);
        file.number_of_sections = static_cast<std::uint16_t>(sections_.size());
        file.size_of_optional_header = kSectionsAt - kOptionalAt;
        file.characteristics = 0x2022; // EXECUTABLE_IMAGE | LARGE_ADDRESS_AWARE | DLL
        out_.put(file);
        put_optional_header();
        for (const raw::DataDirectory& directory : directories_)
            out_.put(directory);

        std::uint32_t raw_at = header_size_;
        for (const SectionContent& section : sections_) {
            raw::SectionHeader header{};
            std::ranges::copy(section.name, header.name.begin());
            header.virtual_size = section.virtual_size;
            header.virtual_address = section.rva.value;
            header.size_of_raw_data = align(static_cast<std::uint32_t>(section.bytes.size()), kFileAlignment);
            header.pointer_to_raw_data = header.size_of_raw_data != 0 ? raw_at : 0;
            header.characteristics = characteristics_of(section.name).value_or(0);
            raw_at += header.size_of_raw_data;
            out_.put(header);
        }
        out_.align(kFileAlignment);
    }

    void put_optional_header() {
        raw::OptionalHeader64 optional{};
        optional.magic = raw::kPe32PlusMagic;
        for (const SectionContent& section : sections_) {
            const std::uint32_t size = align(static_cast<std::uint32_t>(section.bytes.size()), kFileAlignment);
            if (section.name == ".text") {
                optional.size_of_code = size;
                optional.base_of_code = section.rva.value;
            } else {
                optional.size_of_initialized_data += size;
            }
        }
        optional.image_base = kPreferredBase.value;
        optional.section_alignment = kPageSize;
        optional.file_alignment = kFileAlignment;
        optional.major_operating_system_version = 6;
        optional.major_subsystem_version = 6;
        optional.size_of_image = next_rva_;
        optional.size_of_headers = header_size_;
        optional.subsystem = 2;                // WINDOWS_GUI, what linkers give a DLL
        optional.dll_characteristics = 0x0160; // HIGH_ENTROPY_VA | DYNAMIC_BASE | NX_COMPAT
        if (contents_.manifest.guarded)
            optional.dll_characteristics |= 0x4000; // GUARD_CF
        optional.size_of_stack_reserve = 0x100000;
        optional.size_of_stack_commit = 0x1000;
        optional.size_of_heap_reserve = 0x100000;
        optional.size_of_heap_commit = 0x1000;
        optional.number_of_rva_and_sizes = kDirectories;
        out_.put(optional);
    }

    Bytes finish() {
        const SectionContent& hotp = sections_.back();
        const std::uint64_t hotp_at =
            out_.size() - align(static_cast<std::uint32_t>(hotp.bytes.size()), kFileAlignment);
        Bytes file = out_.take();
        seal(file, {kTimeDateStampAt}, {{kCheckSumAt}, {kCertificatesEntryAt}, {hotp_at + kDigestAt}});
        return file;
    }

    const Contents& contents_;
    std::vector<SectionContent> sections_;
    std::array<raw::DataDirectory, kDirectories> directories_{};
    std::uint32_t next_rva_ = 0;
    std::uint32_t header_size_ = 0;
    ByteWriter out_;
};

} // namespace

void seal(Bytes& file, FileOffset time_date_stamp, const DigestHoles& holes) {
    const auto put = [&](FileOffset at, const auto& value) {
        std::memcpy(file.data() + at.value, &value, sizeof(value));
    };
    put(time_date_stamp, std::uint32_t{0});
    put(holes.checksum, std::uint32_t{0});
    put(holes.digest, Digest{});
    // A hash of the content in place of a date, as linkers do with /Brepro.
    std::array<std::uint8_t, 4> stamp;
    std::copy_n(digest_of(file).bytes.begin(), stamp.size(), stamp.begin());
    put(time_date_stamp, stamp);
    put(holes.digest, file_digest(file, holes));
    put(holes.checksum, pe::checksum_of(file, holes.checksum));
}

Result<Bytes> assemble(const Contents& contents) {
    SUTURE_CHECK(check_manifest(contents.manifest));
    SUTURE_CHECK(check_contents(contents));
    return Assembler(contents).run();
}

} // namespace suture::package
