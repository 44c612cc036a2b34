#include "patchgen/program/pdb_type_records.hpp"

namespace suture::program {

namespace {

/// Longest name in a record, which is shorter than 64 KiB.
constexpr std::size_t kMaxName = 65536;
constexpr std::uint16_t kDeclaredOnly = 0x80;
constexpr std::uint16_t kHasUniqueName = 0x200;

/// Reads one part after the other; `ok` says whether all of them were there.
class Cursor {
  public:
    Cursor(ByteView bytes, std::uint64_t at) : bytes_(bytes), at_(at) {}

    template <class T>
    T take() {
        const auto value = bytes_.read<T>(at_);
        ok_ = ok_ && value;
        at_ += sizeof(T);
        return value.value_or(T{});
    }

    std::string_view name() {
        const auto text = bytes_.c_string(at_, kMaxName);
        ok_ = ok_ && text;
        at_ += text ? text->size() + 1 : 0;
        return text.value_or(std::string_view{});
    }

    /// Numbers below 0x8000 stand for themselves, others follow a word that says how wide they are.
    std::int64_t number() {
        const auto word = take<std::uint16_t>();
        if (word < 0x8000)
            return word;
        switch (word) {
        case 0x8000:
            return take<std::int8_t>();
        case 0x8001:
            return take<std::int16_t>();
        case 0x8002:
            return take<std::uint16_t>();
        case 0x8003:
            return take<std::int32_t>();
        case 0x8004:
            return take<std::uint32_t>();
        case 0x8009:
        case 0x800a:
            return take<std::int64_t>();
        default:
            ok_ = false;
            return 0;
        }
    }

    bool ok() const { return ok_; }
    std::uint64_t at() const { return at_; }

  private:
    ByteView bytes_;
    std::uint64_t at_;
    bool ok_ = true;
};

/// Bits 2-4 of a method's attributes: 4 and 6 are virtual functions that no base has.
bool introduces_slot(std::uint16_t attributes) {
    const unsigned property = attributes >> 2 & 7;
    return property == 4 || property == 6;
}

} // namespace

std::optional<UserType> user_type_of(std::uint16_t leaf, ByteView body) {
    Cursor cursor(body, 0);
    UserType type;
    if (leaf != kLeafClass && leaf != kLeafStructure && leaf != kLeafInterface && leaf != kLeafUnion &&
        leaf != kLeafEnumeration)
        return std::nullopt;
    type.is_union = leaf == kLeafUnion;
    type.is_enumeration = leaf == kLeafEnumeration;
    cursor.take<std::uint16_t>(); // number of members
    const auto options = cursor.take<std::uint16_t>();
    if (type.is_enumeration)
        type.underlying = cursor.take<std::uint32_t>();
    type.fields = cursor.take<std::uint32_t>();
    if (!type.is_enumeration && !type.is_union)
        cursor.take<std::uint64_t>(); // what it is derived from, and the shape of its table of virtual functions
    if (!type.is_enumeration)
        type.size = static_cast<std::uint64_t>(cursor.number());
    type.name = cursor.name();
    if (options & kHasUniqueName)
        type.unique_name = cursor.name();
    type.declared_only = (options & kDeclaredOnly) != 0;
    if (!cursor.ok())
        return std::nullopt;
    return type;
}

bool is_in_object(const Field& field) {
    switch (field.leaf) {
    case kLeafMember:
    case kLeafBaseClass:
    case kLeafBaseInterface:
    case kLeafVirtualBase:
    case kLeafIndirectVirtualBase:
    case kLeafVirtualTable:
        return true;
    default:
        return false;
    }
}

std::optional<Field> next_field(ByteView list, std::uint64_t& at) {
    // Parts are aligned by bytes from 0xf0 on.
    while (at < list.size() && list[static_cast<std::size_t>(at)] >= 0xf0)
        ++at;
    if (at >= list.size())
        return std::nullopt;
    Cursor cursor(list, at);
    Field field;
    field.leaf = cursor.take<std::uint16_t>();
    field.attributes = cursor.take<std::uint16_t>(); // padding or a count in some
    if (field.leaf == kLeafEnumerator) {
        field.offset = cursor.number();
        field.name = cursor.name();
    } else {
        field.type = cursor.take<std::uint32_t>();
        switch (field.leaf) {
        case kLeafBaseClass:
        case kLeafBaseInterface:
            field.offset = cursor.number();
            break;
        case kLeafVirtualBase:
        case kLeafIndirectVirtualBase:
            cursor.take<std::uint32_t>(); // type of the pointer to the table of bases
            // Where that pointer lies, and the rank in the table: one number that tells them all apart.
            field.offset = static_cast<std::int64_t>(static_cast<std::uint64_t>(cursor.number()) << 32);
            field.offset ^= cursor.number();
            break;
        case kLeafMember:
            field.offset = cursor.number();
            field.name = cursor.name();
            break;
        case kLeafOneMethod:
            field.introduced = introduces_slot(field.attributes);
            if (field.introduced)
                field.offset = cursor.take<std::int32_t>();
            field.name = cursor.name();
            break;
        case kLeafStaticMember:
        case kLeafMethods:
        case kLeafNestedType:
        case kLeafNestedTypeWithAttributes:
        case kLeafFriendFunction:
            field.name = cursor.name();
            break;
        case kLeafContinuation:
        case kLeafVirtualTable:
        case kLeafFriendClass:
            break;
        default:
            return std::nullopt;
        }
    }
    if (!cursor.ok())
        return std::nullopt;
    at = cursor.at();
    return field;
}

std::optional<Field> next_method(ByteView list, std::uint64_t& at) {
    if (at >= list.size())
        return std::nullopt;
    Cursor cursor(list, at);
    Field field{.leaf = kLeafOneMethod};
    field.attributes = cursor.take<std::uint16_t>();
    cursor.take<std::uint16_t>(); // padding
    field.type = cursor.take<std::uint32_t>();
    field.introduced = introduces_slot(field.attributes);
    if (field.introduced)
        field.offset = cursor.take<std::int32_t>();
    if (!cursor.ok())
        return std::nullopt;
    at = cursor.at();
    return field;
}

std::optional<std::uint64_t> array_size_of(ByteView body) {
    Cursor cursor(body, 8); // type of the elements and of the index
    const std::int64_t size = cursor.number();
    return cursor.ok() ? std::optional(static_cast<std::uint64_t>(size)) : std::nullopt;
}

} // namespace suture::program
