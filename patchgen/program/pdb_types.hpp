#pragma once

#include "engine/core/byte_view.hpp"
#include "patchgen/program/pdb_type_records.hpp"
#include "patchgen/program/types.hpp"

#include <map>

namespace suture::program {

/// The types in a PDB's type stream (LLVM documentation, "The PDB TPI and IPI Streams"), and what uses them. Whatever
/// is malformed is left out: types are a help, and the stream's own damage must not keep an image from being read.
class PdbTypes final : public Types {
  public:
    /// What a symbol says of a type.
    enum class Use : std::uint8_t {
        data,       ///< a variable with a fixed place, or one for each thread
        local,      ///< a variable of a function
        parameter,  ///< of a function, or of one that was inlined into it
        signature,  ///< the function's own type
        allocation, ///< the function allocates one
    };

    PdbTypes() = default;
    /// Copies the records.
    explicit PdbTypes(ByteView stream);

    /// Size of a type in bytes; 0: unknown.
    std::uint64_t size_of(std::uint32_t type_index) const;
    /// The symbol at `at` (the function that has it) uses a type.
    void add_use(std::uint32_t type_index, Use use, Rva at);
    /// A typedef. Counts where the type has no name of its own.
    void add_alias(std::uint32_t type_index, std::string_view name);
    /// To be called when all symbols are known.
    void finish();

    std::span<const TypeLayout> layouts() const override { return layouts_; }
    std::optional<std::vector<TypeMember>> members(const TypeLayout& type) const override;
    TypeUses uses(const TypeLayout& type) const override;

  private:
    struct Record {
        std::uint16_t leaf = 0;
        ByteView body; ///< what follows the kind
    };
    struct SymbolUse {
        std::uint32_t type;
        Use use;
        Rva at;
        auto operator<=>(const SymbolUse&) const = default;
    };

    std::uint32_t count() const { return static_cast<std::uint32_t>(places_.size()); }
    /// Place of a type's record in the lists below; nothing where it has none. Records refer to earlier ones, and only
    /// those count: `below` is the place of the one that refers.
    std::optional<std::uint32_t> place_of(std::uint32_t type_index, std::uint32_t below) const;
    Record record_at(std::uint32_t place) const;
    Digest form_of(std::uint32_t type_index, std::uint32_t below) const;
    void read_record(const Record& record);
    void read_user_type(const UserType& type, std::uint32_t own);
    Digest form_of_list(const Record& record, std::uint32_t own);
    /// Calls `take` for each part of a field list and those that continue it. False if some part is not understood.
    template <class Take>
    bool for_each_field(std::uint32_t list_type, std::uint32_t below, Take&& take) const;
    std::string describe(std::uint32_t type_index, std::uint32_t below, unsigned depth) const;
    std::string part_that_has_one(std::uint32_t fields, std::uint32_t below,
                                  const std::vector<std::uint8_t>& how) const;
    std::vector<std::uint8_t> spread(const TypeLayout& type, TypeUses& uses) const;

    Bytes records_;
    std::vector<std::uint32_t> places_; ///< of each record in records_
    std::vector<std::uint64_t> sizes_;
    std::vector<Digest> forms_;
    std::vector<Digest> digests_;  ///< of the layouts of definitions
    std::vector<bool> understood_; ///< of field lists and methods
    std::uint32_t first_ = kFirstTypeRecord;
    std::vector<SymbolUse> uses_;
    std::map<std::string, std::vector<std::uint32_t>> aliases_;
    std::vector<TypeLayout> layouts_;
};

template <class Take>
bool PdbTypes::for_each_field(std::uint32_t list_type, std::uint32_t below, Take&& take) const {
    // A list is continued by an earlier one, so that this ends.
    for (auto list = place_of(list_type, below); list;) {
        const Record record = record_at(*list);
        if (record.leaf != kLeafFieldList || !understood_[*list])
            return false;
        std::optional<std::uint32_t> next;
        std::uint64_t at = 0;
        while (const auto field = next_field(record.body, at)) {
            if (field->leaf == kLeafContinuation)
                next = place_of(field->type, *list);
            else
                take(*field, *list);
        }
        if (!next)
            return true;
        list = next;
    }
    return false;
}

} // namespace suture::program
