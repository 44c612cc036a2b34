#include "patchgen/emit/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::emit {

using diff::EmittedData;
using diff::EmittedFunction;
using package::FixupKind;
using program::Reference;
using program::ReferenceKind;

namespace {

constexpr std::uint8_t kTrap = 0xcc; // int3

/// An address of the package image or of the baseline.
struct Address {
    bool in_package = false;
    Rva rva;
};

template <class T>
void put(Bytes& bytes, std::uint32_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

class Writer {
  public:
    Writer(const program::Program& updated, const diff::ChangeSet& changes, const Layout& layout)
        : updated_(updated), changes_(changes), layout_(layout) {
        fields_.text.assign(static_cast<std::size_t>(layout.text.initialised), kTrap);
        fields_.rdata.assign(static_cast<std::size_t>(layout.rdata.initialised), 0);
        fields_.data.assign(static_cast<std::size_t>(layout.data.initialised), 0);
    }

    Result<Fields> run() {
        for (const EmittedData& data : changes_.data)
            SUTURE_CHECK(write_data(data));
        for (const EmittedFunction& function : changes_.functions) {
            SUTURE_CHECK(write_code(function));
            SUTURE_CHECK(write_tables(function));
        }
        return std::move(fields_);
    }

  private:
    Error error(Code code, Rva at, const program::Function* function, std::string detail) const {
        Error result = Error(code, std::move(detail)).in_image(updated_.path()).at(at);
        if (function)
            result.in_function(function->display_name());
        return result;
    }

    std::optional<Address> find(const diff::Destination& destination) const {
        const auto within = [](const std::map<Rva, Rva>& places, Rva key, std::uint32_t offset) {
            const auto place = places.find(key);
            return place != places.end() ? std::optional(Address{true, place->second + offset}) : std::nullopt;
        };
        if (const auto* to = std::get_if<diff::ToBaseline>(&destination))
            return Address{false, to->rva};
        if (const auto* to = std::get_if<diff::ToEmitted>(&destination))
            return within(layout_.functions, to->updated_entry, to->offset);
        if (const auto* to = std::get_if<diff::ToData>(&destination)) {
            if (const auto object = within(layout_.objects, to->updated_object, to->offset))
                return object;
            const auto table = layout_.in_table(to->updated_object + to->offset);
            return table ? std::optional(Address{true, *table}) : std::nullopt;
        }
        const auto& import = std::get<diff::ToNewImport>(destination);
        const auto slot = layout_.slots.find({import.dll, import.name, import.ordinal});
        return slot != layout_.slots.end() ? std::optional(Address{true, slot->second}) : std::nullopt;
    }

    Result<Address> resolve(const diff::Destination& destination, Rva at, const program::Function* function) const {
        if (const auto address = find(destination))
            return *address;
        return fail(error(Code::reference_unresolved, at, function, "it leads to something that is not emitted"));
    }

    /// An 8-byte field that holds an address.
    void write_pointer(Bytes& section, Rva section_rva, Rva field, Address to) {
        if (to.in_package) {
            put(section, field - section_rva, package::kPreferredBase.value + to.rva.value);
            fields_.relocations.push_back(field);
        } else {
            put(section, field - section_rva, std::uint64_t{0});
            fields_.fixups.push_back({FixupKind::absolute64, field, to.rva, 0});
        }
    }

    Result<void> write_data(const EmittedData& data) {
        const RvaRange range = data.object.range;
        const LaidSection& laid = data.object.writable ? layout_.data : layout_.rdata;
        Bytes& section = data.object.writable ? fields_.data : fields_.rdata;
        const Rva at = layout_.objects.at(range.begin);
        const auto content = updated_.image().content(range);
        if (!content)
            return fail(error(Code::reference_unresolved, range.begin, nullptr, "data outside of every section"));
        if (at - laid.rva >= section.size())
            return {}; // zero fill
        std::ranges::copy(*content, section.begin() + (at - laid.rva));
        for (const auto& [offset, destination] : data.pointers) {
            SUTURE_TRY(const Address to, resolve(destination, range.begin + offset, nullptr));
            write_pointer(section, laid.rva, at + offset, to);
        }
        return {};
    }

    Result<void> write_code(const EmittedFunction& function) {
        const program::Function& code = *function.updated;
        const Rva at = layout_.functions.at(code.range.begin);
        const auto content = updated_.image().content(code.range);
        if (!content)
            return fail(error(Code::reference_unresolved, code.range.begin, &code, "code outside of every section"));
        std::ranges::copy(*content, fields_.text.begin() + (at - layout_.text.rva));
        for (std::size_t i = 0; i < code.references.size(); ++i) {
            const Reference& reference = code.references[i];
            const Rva field = code.range.begin + reference.offset;
            Address to;
            // A table of emitted code has been encoded anew, for the place where its copy lies.
            if (const auto table = layout_.in_table(reference.target)) {
                to = {true, *table};
            } else {
                SUTURE_TRY(to, resolve(function.destinations[i], field, &code));
            }
            SUTURE_CHECK(write_reference(function, reference, at + reference.offset, to));
        }
        return {};
    }

    Result<void> write_reference(const EmittedFunction& function, const Reference& reference, Rva field, Address to) {
        const Rva origin = function.updated->range.begin + reference.offset;
        const auto refuse = [&](Code code, std::string detail) {
            return fail(error(code, origin, function.updated, std::move(detail)));
        };
        const std::uint32_t offset = field - layout_.text.rva;
        if (reference.kind == ReferenceKind::absolute) {
            write_pointer(fields_.text, layout_.text.rva, field, to);
            return {};
        }
        if (reference.kind == ReferenceKind::image_relative) {
            if (to.in_package || !takes_baseline_header(function))
                return refuse(Code::reference_out_of_reach, "an image-relative reference to something in the package");
            put(fields_.text, offset, to.rva.value);
            return {};
        }
        if (!to.in_package) {
            if (reference.size != 4)
                return refuse(Code::reference_out_of_reach, "a short branch to the baseline");
            put(fields_.text, offset, std::uint32_t{0});
            fields_.fixups.push_back({FixupKind::rel32, field, to.rva, reference.addend});
            return {};
        }
        const std::int64_t distance = std::int64_t{to.rva.value} + reference.addend - std::int64_t{field.value};
        if (reference.size == 4) {
            put(fields_.text, offset, static_cast<std::int32_t>(distance));
            return {};
        }
        if (distance != static_cast<std::int8_t>(distance))
            return refuse(Code::reference_out_of_reach, "a short branch to another emitted function");
        put(fields_.text, offset, static_cast<std::int8_t>(distance));
        return {};
    }

    /// True if what the function takes for the image base is the baseline's.
    static bool takes_baseline_header(const EmittedFunction& function) {
        const auto& references = function.updated->references;
        for (std::size_t i = 0; i < references.size(); ++i) {
            if (references[i].kind != ReferenceKind::image_relative && references[i].target == Rva{0} &&
                function.destinations[i] != diff::Destination(diff::ToBaseline{}))
                return false;
        }
        return true;
    }

    /// What is added to the entries of a table's copy.
    Result<Rva> base_of(const EmittedFunction& function, const program::JumpTable& table) const {
        if (table.base == Rva{0})
            return fail(error(Code::reference_out_of_reach, table.at, function.updated,
                              "a jump table whose entries are image-relative"));
        if (const auto base = layout_.in_table(table.base))
            return *base;
        const auto& references = function.updated->references;
        for (std::size_t i = 0; i < references.size(); ++i) {
            if (references[i].target != table.base)
                continue;
            SUTURE_TRY(const Address to, resolve(function.destinations[i], table.at, function.updated));
            if (to.in_package)
                return to.rva;
        }
        return fail(error(Code::reference_unresolved, table.at, function.updated,
                          "the base of a jump table is nothing that is emitted"));
    }

    Result<void> write_tables(const EmittedFunction& function) {
        auto destination = function.table_destinations.begin();
        for (const program::JumpTable& table : function.updated->jump_tables) {
            SUTURE_TRY(const Rva base, base_of(function, table));
            const Rva at = layout_.tables.at(table.at);
            const bool in_code = at < layout_.rdata.rva;
            Bytes& section = in_code ? fields_.text : fields_.rdata;
            std::uint32_t offset = at - (in_code ? layout_.text.rva : layout_.rdata.rva);
            for (std::size_t i = 0; i < table.targets.size(); ++i, ++destination, offset += 4) {
                SUTURE_TRY(const Address to, resolve(*destination, table.at, function.updated));
                if (!to.in_package)
                    return fail(error(Code::reference_out_of_reach, table.at, function.updated,
                                      "a jump table that leads to the baseline"));
                put(section, offset, to.rva - base);
            }
        }
        return {};
    }

    const program::Program& updated_;
    const diff::ChangeSet& changes_;
    const Layout& layout_;
    Fields fields_;
};

} // namespace

Result<Fields> write_fields(const program::Program& updated, const diff::ChangeSet& changes, const Layout& layout) {
    return Writer(updated, changes, layout).run();
}

} // namespace suture::emit
