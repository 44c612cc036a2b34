#include "patchgen/program/coff_symbols.hpp"

#include "patchgen/program/machine_code.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::program {

namespace {

/// A record of the table (Microsoft PE Format, "COFF Symbol Table").
struct [[gnu::packed]] RawSymbol {
    char name[8];
    std::uint32_t value;
    std::int16_t section;
    std::uint16_t type;
    std::uint8_t storage_class;
    std::uint8_t aux_count;
};
static_assert(sizeof(RawSymbol) == 18);

constexpr std::uint8_t kClassExternal = 2;
constexpr std::uint8_t kClassStatic = 3;
constexpr std::uint16_t kDerivedFunction = 2; // in the bits above the base type

class Reader {
  public:
    explicit Reader(const pe::Image& image) : image_(image) {}

    Result<Symbols> read() {
        const std::uint64_t count = image_.coff_symbol_count();
        if (image_.coff_symbols().value == 0 || count == 0)
            return std::move(symbols_);
        if (count > kMaxSymbols)
            return fail(Code::symbols_unreadable,
                        fmt::format("{} COFF symbols, at most {} are read", count, kMaxSymbols));
        const auto table = image_.bytes().slice(image_.coff_symbols().value, count * sizeof(RawSymbol));
        if (!table)
            return fail(Code::symbols_unreadable, fmt::format("{} COFF symbols at file offset 0x{:x} do not fit", count,
                                                              image_.coff_symbols().value));
        // The string table may be absent where no name is longer than 8 bytes.
        const std::uint64_t strings_at = image_.coff_symbols().value + table->size();
        if (const auto size = image_.bytes().read<std::uint32_t>(strings_at)) {
            const auto strings = image_.bytes().slice(strings_at, *size);
            if (!strings)
                return fail(Code::symbols_unreadable,
                            fmt::format("a COFF string table of {} bytes does not fit", *size));
            strings_ = *strings;
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto raw = *table->read<RawSymbol>(i * sizeof(RawSymbol));
            const auto aux =
                raw.aux_count > 0 ? table->slice((i + 1) * sizeof(RawSymbol), sizeof(RawSymbol)) : std::nullopt;
            SUTURE_CHECK(take(raw, aux));
            i += raw.aux_count;
        }
        settle(symbols_);
        return std::move(symbols_);
    }

  private:
    Result<void> take(const RawSymbol& raw, std::optional<ByteView> aux) {
        if (raw.storage_class != kClassExternal && raw.storage_class != kClassStatic)
            return {};
        if (raw.section <= 0 || static_cast<std::size_t>(raw.section) > image_.sections().size())
            return {}; // undefined, absolute and debug symbols have no place in the image
        const auto& section = image_.sections()[static_cast<std::size_t>(raw.section) - 1];
        if (section.discardable() || raw.value >= section.range.size)
            return {};
        const Rva at = section.range.begin + raw.value;
        SUTURE_TRY(const std::string_view name, name_of(raw));
        const bool function = (raw.type >> 4) == kDerivedFunction;
        if (raw.storage_class == kClassStatic && aux && !function && raw.type == 0) {
            // A section symbol: its auxiliary record starts with the size of what one object file contributed.
            const std::uint32_t size = *aux->read<std::uint32_t>(0);
            if (size <= section.range.size - raw.value)
                symbols_.contributions.push_back({at, size});
            return {};
        }
        const auto kind = !section.executable()                  ? SymbolKind::data
                          : function || is_import_thunk(raw, at) ? SymbolKind::function
                                                                 : SymbolKind::label;
        const bool named = !is_meaningless(name);
        if (!named && kind == SymbolKind::label)
            return {};
        name_bytes_ += name.size();
        if (name_bytes_ > kMaxSymbolNameBytes)
            return fail(Code::symbols_unreadable, "the names of the COFF symbols are too long in all");
        symbols_.list.push_back({at, kind, 0, named ? std::string(name) : std::string()});
        return {};
    }

    /// Whether the linker says that a thunk is a function depends on which object it met the name in first.
    bool is_import_thunk(const RawSymbol& raw, Rva at) const {
        constexpr std::uint32_t kMaxThunk = 12; ///< bytes: three instructions on Arm64
        const auto rest = image_.bytes_from(at);
        return raw.storage_class == kClassExternal && rest &&
               machine_code(image_.machine())
                   .reads_slot_to_jump(*rest->slice(0, std::min<std::uint64_t>(kMaxThunk, rest->size())))
                   .has_value();
    }

    Result<std::string_view> name_of(const RawSymbol& raw) const {
        std::uint32_t head, offset;
        std::memcpy(&head, raw.name, 4);
        std::memcpy(&offset, raw.name + 4, 4);
        if (head != 0) {
            names_[0] = '\0';
            std::memcpy(names_, raw.name, 8);
            return std::string_view(names_, strnlen(names_, 8));
        }
        const auto name = strings_.c_string(offset, kMaxSymbolName);
        if (!name)
            return fail(Code::symbols_unreadable, fmt::format("no COFF symbol name at offset 0x{:x}", offset));
        return *name;
    }

    const pe::Image& image_;
    Symbols symbols_;
    ByteView strings_;
    std::size_t name_bytes_ = 0;
    mutable char names_[8];
};

} // namespace

Result<Symbols> read_coff_symbols(const pe::Image& image) {
    return Reader(image).read();
}

Result<void> check_same_build(const pe::Image& image, const pe::Image& of) {
    const auto differs = [](std::string_view what, std::uint64_t mine, std::uint64_t theirs) {
        return fail(Code::symbols_mismatch,
                    fmt::format("{}: 0x{:x} in the image, 0x{:x} in the symbols", what, mine, theirs));
    };
    if (image.machine() != of.machine())
        return differs("machine", static_cast<std::uint64_t>(image.machine()),
                       static_cast<std::uint64_t>(of.machine()));
    if (image.time_date_stamp() != of.time_date_stamp())
        return differs("TimeDateStamp", image.time_date_stamp(), of.time_date_stamp());
    for (const auto& section : image.sections()) {
        if (!section.executable())
            continue;
        const auto* other = of.section_at(section.range.begin);
        if (!other || other->range != section.range)
            return differs("size of the code at " + section.name, section.range.size, other ? other->range.size : 0);
        const auto mine = image.content(section.range);
        const auto theirs = of.content(section.range);
        if (mine != theirs)
            return fail(Code::symbols_mismatch, fmt::format("the code of section {} differs", section.name));
    }
    return {};
}

} // namespace suture::program
