#pragma once

#include "engine/core/byte_view.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace suture::program {

/// Kinds of records in a PDB's type stream, and of the parts of a field list. Values from Microsoft's published
/// cvinfo.h.
enum Leaf : std::uint16_t {
    kLeafModifier = 0x1001,
    kLeafPointer = 0x1002,
    kLeafProcedure = 0x1008,
    kLeafMemberFunction = 0x1009,
    kLeafArguments = 0x1201,
    kLeafFieldList = 0x1203,
    kLeafBitField = 0x1205,
    kLeafMethodList = 0x1206,
    kLeafBaseClass = 0x1400,
    kLeafVirtualBase = 0x1401,
    kLeafIndirectVirtualBase = 0x1402,
    kLeafContinuation = 0x1404,
    kLeafVirtualTable = 0x1409,
    kLeafFriendClass = 0x140a,
    kLeafEnumerator = 0x1502,
    kLeafArray = 0x1503,
    kLeafClass = 0x1504,
    kLeafStructure = 0x1505,
    kLeafUnion = 0x1506,
    kLeafEnumeration = 0x1507,
    kLeafFriendFunction = 0x150c,
    kLeafMember = 0x150d,
    kLeafStaticMember = 0x150e,
    kLeafMethods = 0x150f,
    kLeafNestedType = 0x1510,
    kLeafOneMethod = 0x1511,
    kLeafNestedTypeWithAttributes = 0x1512,
    kLeafInterface = 0x1519,
    kLeafBaseInterface = 0x151a,
};

/// First index that is a record; those below are types that every program has.
inline constexpr std::uint32_t kFirstTypeRecord = 0x1000;

/// A class, structure, union or enumeration.
struct UserType {
    bool declared_only = false; ///< the definition is another record
    bool is_union = false;
    bool is_enumeration = false;
    std::uint32_t fields = 0;     ///< field list; 0: none
    std::uint32_t underlying = 0; ///< of an enumeration
    std::uint64_t size = 0;       ///< 0 for an enumeration
    std::string_view name;
    std::string_view unique_name; ///< empty: none
};
/// Nothing where the record is none of these, or does not fit. `body` is what follows the kind.
std::optional<UserType> user_type_of(std::uint16_t leaf, ByteView body);

/// A part of a field list.
struct Field {
    std::uint16_t leaf = 0;
    std::uint16_t attributes = 0;
    std::uint32_t type = 0;     ///< a list of methods for kLeafMethods, a field list for kLeafContinuation
    std::int64_t offset = 0;    ///< of a member, a base or a virtual function's slot; value of an enumerator
    bool introduced = false;    ///< a virtual function that the class introduces
    std::string_view name = {}; ///< empty where it has none
};
/// True for parts that objects of the type consist of: members and bases, not static members, functions or types.
bool is_in_object(const Field& field);
/// The part at `at`, which moves on to the next. Nothing at the end and where a part is not understood.
std::optional<Field> next_field(ByteView list, std::uint64_t& at);
/// Likewise for a list of methods, which have no names.
std::optional<Field> next_method(ByteView list, std::uint64_t& at);

/// Size of an array, from its record.
std::optional<std::uint64_t> array_size_of(ByteView body);

} // namespace suture::program
