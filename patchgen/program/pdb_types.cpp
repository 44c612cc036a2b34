#include "patchgen/program/pdb_types.hpp"

#include <fmt/format.h>
#include <llvm/DebugInfo/CodeView/TypeIndex.h>
#include <llvm/DebugInfo/PDB/Native/RawTypes.h>

#include <algorithm>
#include <unordered_map>

namespace suture::program {

namespace {

namespace cv = llvm::codeview;

/// Deepest nesting of a description for people.
constexpr unsigned kMaxDepth = 8;
/// Most members of a type that are told; enumerations of the largest headers have some ten thousand.
constexpr std::size_t kMaxMembers = 2048;
constexpr std::size_t kMaxEnumerators = 65536;

/// Size of a type below 0x1000, which has no record.
std::uint64_t size_of_simple(cv::TypeIndex index) {
    if (index.getSimpleMode() != cv::SimpleTypeMode::Direct)
        return 8;
    using enum cv::SimpleTypeKind;
    switch (index.getSimpleKind()) {
    case SignedCharacter:
    case UnsignedCharacter:
    case NarrowCharacter:
    case Character8:
    case SByte:
    case Byte:
    case Boolean8:
        return 1;
    case WideCharacter:
    case Character16:
    case Int16Short:
    case UInt16Short:
    case Int16:
    case UInt16:
    case Float16:
    case Boolean16:
        return 2;
    case Character32:
    case HResult:
    case Int32Long:
    case UInt32Long:
    case Int32:
    case UInt32:
    case Float32:
    case Boolean32:
        return 4;
    case Int64Quad:
    case UInt64Quad:
    case Int64:
    case UInt64:
    case Float64:
    case Boolean64:
        return 8;
    case Int128Oct:
    case UInt128Oct:
    case Int128:
    case UInt128:
        return 16;
    default:
        return 0;
    }
}

std::string name_of_simple(cv::TypeIndex index) {
    if (index.isNoneType())
        return "nothing";
    return cv::TypeIndex::simpleTypeName(index).str();
}

/// What is hashed to become a form or a digest.
class Text {
  public:
    explicit Text(char kind) { bytes_.push_back(static_cast<std::uint8_t>(kind)); }
    Text& add(const Digest& digest) {
        bytes_.insert(bytes_.end(), digest.bytes.begin(), digest.bytes.end());
        return *this;
    }
    Text& add(std::uint64_t number) {
        for (int i = 0; i < 8; ++i)
            bytes_.push_back(static_cast<std::uint8_t>(number >> 8 * i));
        return *this;
    }
    Text& add(std::string_view text) {
        add(text.size());
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        return *this;
    }
    Digest digest() const { return digest_of(bytes_); }

  private:
    Bytes bytes_;
};

Digest form_of_integer(std::uint64_t size) {
    return Text('i').add(size).digest();
}

Digest form_of_simple(cv::TypeIndex index) {
    if (index.getSimpleMode() != cv::SimpleTypeMode::Direct)
        return Text('*').add(form_of_simple(cv::TypeIndex(index.getSimpleKind()))).digest();
    using enum cv::SimpleTypeKind;
    switch (index.getSimpleKind()) {
    case Float16:
    case Float32:
    case Float64:
        return Text('f').add(size_of_simple(index)).digest();
    default:
        break;
    }
    if (const std::uint64_t size = size_of_simple(index); size != 0)
        return form_of_integer(size);
    return Text('s').add(static_cast<std::uint64_t>(index.getIndex())).digest();
}

/// Compilers call all types without a name alike.
bool is_unnamed(std::string_view name) {
    return name.empty() || name.find("<unnamed-") != name.npos || name.find("<anonymous-") != name.npos ||
           name.find("__unnamed") != name.npos;
}

std::string_view kind_name(const UserType& type) {
    return type.is_enumeration ? "enum" : type.is_union ? "union" : "struct";
}

/// Parts of a field list that a layout consists of, but for virtual functions.
std::optional<TypeMember::Kind> kind_of(const Field& field) {
    if (field.leaf == kLeafEnumerator)
        return TypeMember::Kind::enumerator;
    if (!is_in_object(field))
        return std::nullopt;
    return field.leaf == kLeafMember ? TypeMember::Kind::data : TypeMember::Kind::base;
}

/// A type, and where in it some bits of it are.
struct BitField {
    std::uint32_t type = 0;
    std::uint8_t bits = 0;
    std::uint8_t bit = 0;
};
std::optional<BitField> bit_field_of(std::uint16_t leaf, ByteView body) {
    const auto type = body.read<std::uint32_t>(0);
    const auto place = body.read<std::uint16_t>(4);
    if (leaf != kLeafBitField || !type || !place)
        return std::nullopt;
    return BitField{*type, static_cast<std::uint8_t>(*place), static_cast<std::uint8_t>(*place >> 8)};
}

} // namespace

PdbTypes::PdbTypes(ByteView stream) {
    const auto header = stream.read<llvm::pdb::TpiStreamHeader>(0);
    if (!header || header->TypeIndexBegin < kFirstTypeRecord)
        return;
    first_ = header->TypeIndexBegin;
    const auto records = stream.slice(header->HeaderSize, header->TypeRecordBytes);
    if (!records)
        return;
    records_.assign(records->begin(), records->end());
    const ByteView view(records_);
    std::uint32_t at = 0; // streams are shorter than 4 GiB
    while (const auto length = view.read<std::uint16_t>(at)) {
        const std::uint32_t size = *length + 2u;
        if (*length < 2 || !view.contains(at, size))
            break;
        places_.push_back(at);
        sizes_.push_back(0);
        forms_.emplace_back();
        digests_.emplace_back();
        understood_.push_back(true);
        read_record(record_at(count() - 1));
        at += size;
    }
    // Sizes of types that are only declared where they are used.
    std::unordered_map<std::string_view, std::uint64_t> defined;
    std::vector<std::pair<std::uint32_t, std::string_view>> declared;
    for (std::uint32_t i = 0; i < count(); ++i) {
        const Record record = record_at(i);
        const auto type = user_type_of(record.leaf, record.body);
        if (!type || type->is_enumeration)
            continue;
        const std::string_view name = type->unique_name.empty() ? type->name : type->unique_name;
        if (type->declared_only)
            declared.emplace_back(i, name);
        else
            defined.emplace(name, type->size);
    }
    for (const auto& [place, name] : declared)
        if (const auto found = defined.find(name); found != defined.end())
            sizes_[place] = found->second;
}

std::optional<std::uint32_t> PdbTypes::place_of(std::uint32_t type_index, std::uint32_t below) const {
    if (type_index < first_ || type_index - first_ >= below)
        return std::nullopt;
    return type_index - first_;
}

PdbTypes::Record PdbTypes::record_at(std::uint32_t place) const {
    const ByteView view(records_);
    const std::uint32_t at = places_[place];
    return {*view.read<std::uint16_t>(at + 2), *view.slice(at + 4, *view.read<std::uint16_t>(at) - 2u)};
}

std::uint64_t PdbTypes::size_of(std::uint32_t type_index) const {
    if (type_index < kFirstTypeRecord)
        return size_of_simple(cv::TypeIndex(type_index));
    const auto place = place_of(type_index, count());
    return place ? sizes_[*place] : 0;
}

Digest PdbTypes::form_of(std::uint32_t type_index, std::uint32_t below) const {
    if (type_index < kFirstTypeRecord)
        return form_of_simple(cv::TypeIndex(type_index));
    if (const auto place = place_of(type_index, below))
        return forms_[*place];
    return Text('?').add(std::uint64_t{type_index}).digest();
}

void PdbTypes::read_record(const Record& record) {
    const std::uint32_t own = count() - 1;
    const auto type_at = [&](std::uint64_t offset) { return record.body.read<std::uint32_t>(offset).value_or(0); };
    const auto size_of_type = [&](std::uint32_t type) {
        return type < kFirstTypeRecord || place_of(type, own) ? size_of(type) : 0;
    };
    if (const auto type = user_type_of(record.leaf, record.body)) {
        read_user_type(*type, own);
        return;
    }
    switch (record.leaf) {
    case kLeafModifier:
        sizes_[own] = size_of_type(type_at(0));
        forms_[own] = form_of(type_at(0), own);
        return;
    case kLeafPointer:
        sizes_[own] = 8;
        forms_[own] = Text('*').add(form_of(type_at(0), own)).digest();
        return;
    case kLeafArray:
        sizes_[own] = array_size_of(record.body).value_or(0);
        forms_[own] = Text('[').add(sizes_[own]).add(form_of(type_at(0), own)).digest();
        return;
    case kLeafBitField:
        if (const auto field = bit_field_of(record.leaf, record.body)) {
            sizes_[own] = size_of_type(field->type);
            forms_[own] = form_of(field->type, own);
        }
        return;
    case kLeafProcedure: // result, convention and number of parameters, parameters
        forms_[own] = Text('(')
                          .add(form_of(type_at(0), own))
                          .add(std::uint64_t{record.body.read<std::uint8_t>(4).value_or(0)})
                          .add(form_of(type_at(8), own))
                          .digest();
        return;
    case kLeafMemberFunction: // result, class, this, convention and number of parameters, parameters
        forms_[own] = Text('m')
                          .add(form_of(type_at(0), own))
                          .add(form_of(type_at(4), own))
                          .add(form_of(type_at(8), own))
                          .add(form_of(type_at(16), own))
                          .digest();
        return;
    case kLeafArguments: {
        Text text(',');
        for (std::uint64_t at = 4; record.body.contains(at, 4); at += 4)
            text.add(form_of(type_at(at), own));
        forms_[own] = text.digest();
        return;
    }
    case kLeafFieldList:
    case kLeafMethodList:
        forms_[own] = form_of_list(record, own);
        return;
    default:
        // The shape of a table of virtual functions, and others that refer to no type.
        forms_[own] = Text('r').add(std::uint64_t{record.leaf}).add(digest_of(record.body)).digest();
    }
}

void PdbTypes::read_user_type(const UserType& type, std::uint32_t own) {
    sizes_[own] = type.is_enumeration ? 0 : type.size;
    if (type.is_enumeration && (type.underlying < kFirstTypeRecord || place_of(type.underlying, own)))
        sizes_[own] = size_of(type.underlying);
    digests_[own] = Text(type.is_enumeration ? 'e'
                         : type.is_union     ? 'u'
                                             : 'c')
                        .add(sizes_[own])
                        .add(type.fields == 0 ? Digest{} : form_of(type.fields, own))
                        .digest();
    if (type.is_enumeration)
        forms_[own] = form_of_integer(sizes_[own]);
    else
        forms_[own] = is_unnamed(type.name) ? digests_[own] : Text('n').add(type.name).digest();
    const auto fields = type.fields == 0 ? std::nullopt : place_of(type.fields, own);
    understood_[own] = type.fields == 0 || (fields && understood_[*fields]);
}

/// Of all that a layout consists of.
Digest PdbTypes::form_of_list(const Record& record, std::uint32_t own) {
    Text text('l');
    std::uint64_t at = 0;
    if (record.leaf == kLeafMethodList) {
        while (const auto method = next_method(record.body, at))
            if (method->introduced)
                text.add(static_cast<std::uint64_t>(method->offset)).add(form_of(method->type, own));
        understood_[own] = at >= record.body.size();
        return text.digest();
    }
    bool understood = true;
    while (const auto field = next_field(record.body, at)) {
        const bool continues = field->leaf == kLeafContinuation;
        if (continues || field->leaf == kLeafMethods) {
            const auto rest = place_of(field->type, own);
            understood = understood && rest && understood_[*rest];
        }
        const bool slot = field->introduced || field->leaf == kLeafMethods;
        if (!kind_of(*field) && !slot && !continues)
            continue;
        text.add(std::uint64_t{field->leaf}).add(static_cast<std::uint64_t>(field->offset)).add(field->name);
        if (field->leaf != kLeafEnumerator)
            text.add(form_of(field->type, own));
        if (const auto type = place_of(field->type, own))
            if (const auto bits = bit_field_of(record_at(*type).leaf, record_at(*type).body))
                text.add(std::uint64_t{bits->bit}).add(std::uint64_t{bits->bits});
    }
    understood_[own] = understood && at >= record.body.size();
    return text.digest();
}

std::string PdbTypes::describe(std::uint32_t type_index, std::uint32_t below, unsigned depth) const {
    if (type_index < kFirstTypeRecord)
        return name_of_simple(cv::TypeIndex(type_index));
    const auto place = place_of(type_index, below);
    if (!place || depth == 0)
        return "...";
    const Record record = record_at(*place);
    const auto inner = [&](std::uint64_t offset) {
        return describe(record.body.read<std::uint32_t>(offset).value_or(0), *place, depth - 1);
    };
    if (const auto type = user_type_of(record.leaf, record.body))
        return is_unnamed(type->name) ? fmt::format("unnamed {}", kind_name(*type)) : std::string(type->name);
    switch (record.leaf) {
    case kLeafModifier:
    case kLeafBitField:
        return inner(0);
    case kLeafPointer:
        return inner(0) + "*";
    case kLeafArray: {
        const std::uint64_t size = size_of(record.body.read<std::uint32_t>(0).value_or(0));
        return fmt::format("{}[{}]", inner(0), size == 0 ? 0 : sizes_[*place] / size);
    }
    case kLeafProcedure:
    case kLeafMemberFunction:
        return "function";
    default:
        return "...";
    }
}

void PdbTypes::add_use(std::uint32_t type_index, Use use, Rva at) {
    if (type_index >= kFirstTypeRecord)
        uses_.push_back({type_index, use, at});
}

void PdbTypes::add_alias(std::uint32_t type_index, std::string_view name) {
    const auto place = place_of(type_index, count());
    if (!place)
        return;
    const Record record = record_at(*place);
    const auto type = user_type_of(record.leaf, record.body);
    if (type && is_unnamed(type->name) && !type->declared_only)
        aliases_[std::string(name)].push_back(*place);
}

void PdbTypes::finish() {
    std::ranges::sort(uses_);
    uses_.erase(std::unique(uses_.begin(), uses_.end()), uses_.end());
    const auto add = [&](std::string name, std::uint32_t place, const UserType& type) {
        layouts_.push_back({std::move(name),
                            type.is_enumeration ? TypeKind::enumeration
                            : type.is_union     ? TypeKind::union_type
                                                : TypeKind::record,
                            sizes_[place], digests_[place], first_ + place});
    };
    for (std::uint32_t i = 0; i < count(); ++i) {
        const Record record = record_at(i);
        const auto type = user_type_of(record.leaf, record.body);
        if (type && !type->declared_only && !is_unnamed(type->name))
            add(std::string(type->name), i, *type);
    }
    for (const auto& [name, places] : aliases_)
        for (const std::uint32_t place : places) {
            const Record record = record_at(place);
            add(name, place, *user_type_of(record.leaf, record.body));
        }
    const auto key = [](const TypeLayout& one) { return std::tie(one.name, one.digest); };
    std::ranges::sort(layouts_, [&](const TypeLayout& a, const TypeLayout& b) {
        return std::tie(a.name, a.digest, a.index) < std::tie(b.name, b.digest, b.index);
    });
    layouts_.erase(std::unique(layouts_.begin(), layouts_.end(),
                               [&](const TypeLayout& a, const TypeLayout& b) { return key(a) == key(b); }),
                   layouts_.end());
}

std::optional<std::vector<TypeMember>> PdbTypes::members(const TypeLayout& type) const {
    const auto place = place_of(type.index, count());
    if (!place)
        return std::nullopt;
    const Record record = record_at(*place);
    const auto definition = user_type_of(record.leaf, record.body);
    if (!definition || !understood_[*place])
        return std::nullopt;
    std::vector<TypeMember> result;
    if (definition->fields == 0)
        return result;
    const auto add_slot = [&](std::string_view name, const Field& method, std::uint32_t below) {
        if (method.introduced)
            result.push_back({TypeMember::Kind::virtual_function, std::string(name), method.offset, 0, 0,
                              "virtual function", form_of(method.type, below)});
    };
    for_each_field(definition->fields, *place, [&](const Field& field, std::uint32_t list) {
        if (field.leaf == kLeafMethods) {
            const auto methods = place_of(field.type, list);
            std::uint64_t at = 0;
            while (const auto method = methods ? next_method(record_at(*methods).body, at) : std::nullopt)
                add_slot(field.name, *method, *methods);
            return;
        }
        add_slot(field.name, field, list);
        const auto kind = kind_of(field);
        if (!kind)
            return;
        TypeMember member{*kind, std::string(field.name), field.offset, 0, 0, {}, {}};
        if (*kind != TypeMember::Kind::enumerator) {
            member.form = form_of(field.type, list);
            member.type = describe(field.type, list, kMaxDepth);
            if (const auto at = place_of(field.type, list))
                if (const auto bits = bit_field_of(record_at(*at).leaf, record_at(*at).body)) {
                    member.bit = bits->bit;
                    member.bits = bits->bits;
                }
        }
        if (*kind == TypeMember::Kind::base)
            member.name = field.leaf == kLeafVirtualTable ? "table of virtual functions" : member.type;
        result.push_back(std::move(member));
    });
    if (result.size() > (definition->is_enumeration ? kMaxEnumerators : kMaxMembers))
        return std::nullopt;
    return result;
}

} // namespace suture::program
