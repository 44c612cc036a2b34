#include "patchgen/emit/fields.hpp"

#include "patchgen/emit/arm64/references.hpp"
#include "patchgen/emit/handlers.hpp"
#include "patchgen/emit/x64/references.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::emit {

using diff::EmittedData;
using diff::EmittedFunction;

namespace {

constexpr std::uint32_t kTrapX64 = 0xcccccccc;   // int3
constexpr std::uint32_t kTrapArm64 = 0xd43e0000; // brk #0xf000

/// `value` as the entry of a jump table, or nothing if it does not fit.
std::optional<std::uint32_t> as_entry(const program::JumpTable& table, std::int64_t distance) {
    const std::int64_t entry = distance >> table.shift;
    if (entry << table.shift != distance)
        return std::nullopt;
    const int bits = 8 * table.entry_size;
    const bool is_signed = table.is_signed || table.entry_size == 4;
    const std::int64_t lowest = is_signed ? -(std::int64_t{1} << (bits - 1)) : 0;
    const std::int64_t highest = (std::int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
    if (entry < lowest || entry > highest)
        return std::nullopt;
    return static_cast<std::uint32_t>(entry);
}

class Writer {
  public:
    Writer(const program::Program& updated, const diff::ChangeSet& changes, const Layout& layout)
        : updated_(updated), changes_(changes), layout_(layout), destinations_(updated, layout) {
        const bool arm64 = updated.image().machine() == Machine::arm64;
        fields_.text.resize(static_cast<std::size_t>(layout.text.initialised));
        for (std::size_t i = 0; i < fields_.text.size(); ++i)
            fields_.text[i] = static_cast<std::uint8_t>((arm64 ? kTrapArm64 : kTrapX64) >> 8 * (i % 4));
        fields_.rdata.assign(static_cast<std::size_t>(layout.rdata.initialised), 0);
        fields_.data.assign(static_cast<std::size_t>(layout.data.initialised), 0);
    }

    Result<Fields> run() {
        for (const EmittedData& data : changes_.data)
            SUTURE_CHECK(write_data(data));
        for (const EmittedFunction& function : changes_.functions) {
            SUTURE_CHECK(write_code(function));
            SUTURE_CHECK(write_tables(function));
            SUTURE_CHECK(write_handlers(destinations_, function, fields_));
        }
        return std::move(fields_);
    }

  private:
    std::unexpected<Error> refuse(Code code, Rva at, const program::Function* function, std::string detail) const {
        return fail(destinations_.error(code, at, function, std::move(detail)));
    }

    Result<void> write_data(const EmittedData& data) {
        const RvaRange range = data.object.range;
        const LaidSection& laid = data.object.writable ? layout_.data : layout_.rdata;
        Bytes& section = data.object.writable ? fields_.data : fields_.rdata;
        const Rva at = layout_.objects.at(range.begin);
        const auto content = updated_.image().content(range);
        if (!content)
            return refuse(Code::reference_unresolved, range.begin, nullptr, "data outside of every section");
        if (at - laid.rva >= section.size())
            return {}; // zero fill
        std::ranges::copy(*content, section.begin() + (at - laid.rva));
        for (const auto& [offset, destination] : data.pointers) {
            SUTURE_TRY(const Address to, destinations_.resolve(destination, range.begin + offset, nullptr));
            fields_.put_pointer(section, laid.rva, at + offset, to);
        }
        for (const EmittedData::Distance& distance : data.distances) {
            SUTURE_TRY(const Address to,
                       destinations_.resolve(distance.destination, range.begin + distance.offset, nullptr));
            const std::uint32_t field = at - laid.rva + distance.offset;
            const std::uint32_t known = to.in_package ? (to.rva - (at + distance.base)) : 0;
            for (std::uint32_t i = 0; i < 4; ++i)
                section[field + i] = static_cast<std::uint8_t>(known >> 8 * i);
            if (!to.in_package)
                fields_.fixups.push_back(
                    {package::FixupKind::rel32, at + distance.offset, to.rva,
                     static_cast<std::int32_t>(distance.offset) - static_cast<std::int32_t>(distance.base)});
        }
        return {};
    }

    Result<void> write_code(const EmittedFunction& function) {
        const program::Function& code = *function.updated;
        const Rva at = layout_.functions.at(code.range.begin);
        const auto content = updated_.image().content(code.range);
        if (!content)
            return refuse(Code::reference_unresolved, code.range.begin, &code, "code outside of every section");
        std::ranges::copy(*content, fields_.text.begin() + (at - layout_.text.rva));
        return updated_.image().machine() == Machine::arm64 ? arm64::write_references(destinations_, function, fields_)
                                                            : x64::write_references(destinations_, function, fields_);
    }

    /// What is added to the entries of a table's copy.
    Result<Rva> base_of(const EmittedFunction& function, const program::JumpTable& table) const {
        if (const auto base = layout_.in_table(table.base))
            return *base;
        const auto& references = function.updated->references;
        for (std::size_t i = 0; i < references.size(); ++i) {
            if (references[i].target != table.base || references[i].kind == program::ReferenceKind::arm64_page21)
                continue;
            SUTURE_TRY(const Address to, destinations_.resolve(function.destinations[i], table.at, function.updated));
            if (to.in_package)
                return to.rva;
        }
        return refuse(Code::reference_unresolved, table.at, function.updated,
                      "the base of a jump table is nothing that is emitted");
    }

    /// A table whose entries the code adds to the base of the baseline.
    Result<void> write_rvas(const EmittedFunction& function, const program::JumpTable& table,
                            std::vector<diff::Destination>::const_iterator destination, Bytes& section,
                            Rva section_rva) {
        if (table.entry_size != 4 || table.shift != 0)
            return refuse(Code::reference_out_of_reach, table.at, function.updated,
                          fmt::format("a jump table of RVAs of {} bytes each", table.entry_size));
        const Rva at = layout_.tables.at(table.at);
        for (std::uint32_t i = 0; i < table.targets.size(); ++i, ++destination) {
            SUTURE_TRY(const Address to, destinations_.resolve(*destination, table.at, function.updated));
            fields_.put_rva(section, section_rva, at + 4 * i, to);
        }
        return {};
    }

    Result<void> write_tables(const EmittedFunction& function) {
        auto destination = function.table_destinations.begin();
        for (const program::JumpTable& table : function.updated->jump_tables) {
            const Rva at = layout_.tables.at(table.at);
            const bool in_code = at < layout_.rdata.rva;
            Bytes& section = in_code ? fields_.text : fields_.rdata;
            const Rva section_rva = in_code ? layout_.text.rva : layout_.rdata.rva;
            if (table.base == Rva{0}) {
                SUTURE_CHECK(write_rvas(function, table, destination, section, section_rva));
                destination += static_cast<std::ptrdiff_t>(table.targets.size());
                continue;
            }
            SUTURE_TRY(const Rva base, base_of(function, table));
            std::uint32_t offset = at - section_rva;
            for (std::size_t i = 0; i < table.targets.size(); ++i, ++destination, offset += table.entry_size) {
                SUTURE_TRY(const Address to, destinations_.resolve(*destination, table.at, function.updated));
                if (!to.in_package)
                    return refuse(Code::reference_out_of_reach, table.at, function.updated,
                                  "a jump table that leads to the baseline");
                const auto entry = as_entry(table, std::int64_t{to.rva.value} - std::int64_t{base.value});
                if (!entry)
                    return refuse(Code::reference_out_of_reach, table.at, function.updated,
                                  fmt::format("entry {} of a jump table of {} bytes each", i, table.entry_size));
                for (std::uint32_t k = 0; k < table.entry_size; ++k)
                    section[offset + k] = static_cast<std::uint8_t>(*entry >> 8 * k);
            }
        }
        return {};
    }

    const program::Program& updated_;
    const diff::ChangeSet& changes_;
    const Layout& layout_;
    Destinations destinations_;
    Fields fields_;
};

} // namespace

void Fields::put_pointer(Bytes& bytes, Rva section_rva, Rva field, Address to) {
    if (to.in_package) {
        put(bytes, field - section_rva, package::kPreferredBase.value + to.rva.value);
        relocations.push_back(field);
    } else {
        put(bytes, field - section_rva, std::uint64_t{0});
        fixups.push_back({package::FixupKind::absolute64, field, to.rva, 0});
    }
}

void Fields::put_rva(Bytes& bytes, Rva section_rva, Rva field, Address to) {
    put(bytes, field - section_rva, to.in_package ? 0 : to.rva.value);
    if (to.in_package)
        fixups.push_back({package::FixupKind::image_relative32, field, to.rva, 0});
}

Result<Fields> write_fields(const program::Program& updated, const diff::ChangeSet& changes, const Layout& layout) {
    return Writer(updated, changes, layout).run();
}

} // namespace suture::emit
