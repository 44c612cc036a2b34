#pragma once

#include "engine/core/address.hpp"
#include "engine/core/hash.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace suture::program {

enum class TypeKind : std::uint8_t { record, union_type, enumeration };

/// A part of a type that its layout consists of.
struct TypeMember {
    enum class Kind : std::uint8_t {
        data,             ///< a member; a bit field where `bits` is not 0
        base,             ///< a base class, or the pointer to a table of virtual functions or bases
        virtual_function, ///< one that the class introduces; `offset` is that of its slot
        enumerator,       ///< `offset` is its value
    };
    Kind kind = Kind::data;
    std::string name;        ///< without the type's; of a base class its own
    std::int64_t offset = 0; ///< bytes
    std::uint8_t bit = 0;    ///< of a bit field: its first bit
    std::uint8_t bits = 0;   ///< of a bit field: its width
    std::string type;        ///< for people
    /// Equal for types whose values are the same bits for the same meaning, as far as a type tells: const and volatile,
    /// signedness, and the enumeration that an integer is of do not count; types with names count by name.
    Digest form;
};

/// A type that a symbol file defines.
struct TypeLayout {
    /// As the language spells it, with what tells types of equal names apart; that of a typedef where the type itself
    /// has none. Unique, but for types that several source files define for themselves.
    std::string name;
    TypeKind kind = TypeKind::record;
    std::uint64_t size = 0;  ///< bytes
    Digest digest;           ///< of kind, size and all members
    std::uint32_t index = 0; ///< in the symbol file
};

/// What holds objects of a type, as far as types and symbols tell.
struct TypeUses {
    /// Why objects may outlive the functions that made them ("it is a member of x", …); empty: nothing says so, and
    /// some function has one in its frame.
    std::string lasting;
    std::optional<Rva> lasting_at; ///< what `lasting` speaks of, where that has an address
    std::vector<Rva> holders;      ///< functions with a variable of the type itself, ascending
    std::vector<Rva> receivers;    ///< functions with parameters that are or lead to objects, ascending
};

/// The types of a program. Casts, and memory that is given to strangers, do not show in it.
class Types {
  public:
    virtual ~Types() = default;

    /// Types with names that are defined, ascending by name and digest, no repetition.
    virtual std::span<const TypeLayout> layouts() const = 0;
    /// In the order of the definition. Nothing where the definition is not understood.
    virtual std::optional<std::vector<TypeMember>> members(const TypeLayout& type) const = 0;
    virtual TypeUses uses(const TypeLayout& type) const = 0;
};

} // namespace suture::program
