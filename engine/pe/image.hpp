#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/machine.hpp"
#include "engine/core/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace suture::pe {

/// How the bytes of an image lie: as in the file, or as the loader maps them.
enum class Layout { file, mapped };

/// A section header (Microsoft PE Format, "Section Table").
struct Section {
    std::string name;                  ///< up to 8 bytes, or the long name of the COFF string table where there is one
    RvaRange range;                    ///< VirtualAddress and VirtualSize; a VirtualSize of 0 means SizeOfRawData
    FileOffset raw;                    ///< PointerToRawData
    std::uint32_t raw_size = 0;        ///< SizeOfRawData, in bytes
    std::uint32_t characteristics = 0; ///< IMAGE_SCN_*

    bool executable() const { return (characteristics & 0x20000000u) != 0; }
    bool readable() const { return (characteristics & 0x40000000u) != 0; }
    bool writable() const { return (characteristics & 0x80000000u) != 0; }
    bool discardable() const { return (characteristics & 0x02000000u) != 0; }
    /// Bytes at the start of `range` that the file holds; the loader fills the rest with zeros. Raw data behind the
    /// VirtualSize is alignment and belongs to no range.
    std::uint32_t initialised_size() const {
        return raw.value == 0 ? 0 : raw_size < range.size ? raw_size : range.size;
    }
};

/// The data directories by index (Microsoft PE Format, "Optional Header Data Directories").
enum class Directory : std::uint8_t {
    exports = 0,
    imports = 1,
    resources = 2,
    exceptions = 3,
    certificates = 4,
    relocations = 5,
    debug = 6,
    tls = 9,
    load_config = 10,
    iat = 12,
    delay_imports = 13,
    clr = 14,
};

/// A PE32+ image whose headers and section table have been checked. Shows bytes that it does not own: they must
/// outlive it. An Image that exists is valid: sections lie inside the image, ascend and do not overlap, and in the
/// file layout their raw data lies inside the file.
class Image {
  public:
    /// In the mapped layout `bytes` are SizeOfImage long; what follows is ignored. Trailing bytes of a file (symbols,
    /// certificates, overlays) are part of bytes() and not looked at; limits.hpp holds what is taken at most.
    /// Errors: pe_bad_header, pe_truncated, pe_machine_unsupported (anything but x64 and Arm64).
    static Result<Image> parse(ByteView bytes, Layout layout);

    ByteView bytes() const { return bytes_; }
    Layout layout() const { return layout_; }
    Machine machine() const { return machine_; }
    std::uint32_t time_date_stamp() const { return time_date_stamp_; }
    std::uint32_t checksum() const { return checksum_; }
    FileOffset checksum_offset() const { return checksum_offset_; }
    std::uint32_t size_of_image() const { return size_of_image_; }
    std::uint32_t size_of_headers() const { return size_of_headers_; }
    /// Preferred address (OptionalHeader.ImageBase). In a mapped image the loader has put the actual base there.
    Va image_base() const { return image_base_; }
    Rva entry_point() const { return entry_point_; }
    std::uint16_t characteristics() const { return characteristics_; }         ///< IMAGE_FILE_*
    std::uint16_t dll_characteristics() const { return dll_characteristics_; } ///< IMAGE_DLLCHARACTERISTICS_*
    std::uint16_t subsystem() const { return subsystem_; }
    std::uint32_t section_alignment() const { return section_alignment_; }
    bool is_dll() const { return (characteristics_ & 0x2000u) != 0; }
    /// PointerToSymbolTable and NumberOfSymbols of the COFF header; 0 where there is none. Unchecked.
    FileOffset coff_symbols() const { return coff_symbols_; }
    std::uint32_t coff_symbol_count() const { return coff_symbol_count_; }

    std::span<const Section> sections() const { return sections_; }
    /// The section that holds `rva`, or nullptr.
    const Section* section_at(Rva rva) const;
    const Section* section_named(std::string_view name) const;
    /// True if all of `range` lies in one section, zero fill included.
    bool in_one_section(RvaRange range) const;

    /// A data directory as it stands in the header, or an empty range where it is absent. For `certificates` the
    /// "RVA" is a file offset (PE Format). Not checked against the image; bytes_at() does that.
    RvaRange directory(Directory which) const;
    /// File offset of the directory's entry in the header.
    FileOffset directory_offset(Directory which) const;

    /// `size` initialised bytes at `rva`, within the headers or one section; nothing if any of them is outside or
    /// (file layout) zero fill. In the mapped layout zero fill counts as initialised.
    std::optional<ByteView> bytes_at(Rva rva, std::uint64_t size) const;
    /// The initialised bytes from `rva` to the end of its section (at least one), or nothing.
    std::optional<ByteView> bytes_from(Rva rva) const;
    /// True if `rva` lies in the part of a section that the file does not hold and the loader fills with zeros.
    bool is_zero_fill(Rva rva) const;
    /// Initial content of `range`, zero fill included, as a copy; nothing if part of it is in no section. Sections that
    /// adjoin may be crossed. The copy is as large as `range`, which an image may make 2 GiB: check sizes first.
    std::optional<Bytes> content(RvaRange range) const;
    template <class T>
    std::optional<T> read(Rva rva) const {
        const auto view = bytes_at(rva, sizeof(T));
        return view ? view->read<T>(0) : std::nullopt;
    }
    /// The NUL-terminated string at `rva`, without its NUL, or nothing if no NUL follows within `limit` bytes of the
    /// same section.
    std::optional<std::string_view> string_at(Rva rva, std::size_t limit) const;
    /// Place in the file of an initialised RVA; file layout only.
    std::optional<FileOffset> file_offset(Rva rva) const;

  private:
    Image() = default;

    ByteView bytes_;
    Layout layout_ = Layout::file;
    Machine machine_ = Machine::x64;
    std::uint32_t time_date_stamp_ = 0;
    std::uint32_t checksum_ = 0;
    FileOffset checksum_offset_;
    std::uint32_t size_of_image_ = 0;
    std::uint32_t size_of_headers_ = 0;
    Va image_base_;
    Rva entry_point_;
    std::uint16_t characteristics_ = 0;
    std::uint16_t dll_characteristics_ = 0;
    std::uint16_t subsystem_ = 0;
    std::uint32_t section_alignment_ = 0;
    FileOffset coff_symbols_;
    std::uint32_t coff_symbol_count_ = 0;
    std::vector<Section> sections_;
    std::array<RvaRange, 16> directories_{};
    FileOffset directories_offset_;
};

} // namespace suture::pe
